#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// The boxes of the faces in an image (CV_8UC3, BGR), from the brow to the chin. Called from several threads.
using FindFaces = std::function<std::vector<cv::Rect>(const cv::Mat& image)>;

/// Where OpenCV's data package puts the cascade of frontal faces; empty if it is in none of the usual places.
std::filesystem::path installed_face_cascade();

/// Finds faces from `smallest_face` px on with a Haar cascade (Viola and Jones 2001; Lienhart's frontal faces, which come
/// with OpenCV). Frontal faces only; a few boxes in a hundred show none, so the person mask has to confirm them.
/// @param cascade an XML file of OpenCV's
/// @throws DataError if OpenCV cannot read the cascade.
FindFaces haar_face_detector(const std::filesystem::path& cascade, int smallest_face);

}  // namespace portraitseg
