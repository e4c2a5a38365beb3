#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// A matrix of whole numbers in 0..255 out of a MAT v5 file, of any numeric type: H x W, CV_8UC1. Called from several
/// threads.
/// @throws DataError for a file that is missing, no MAT v5 or truncated, and for a variable that is not there or not
///   such a matrix.
cv::Mat read_mat_bytes(const std::filesystem::path& path, const std::string& variable);

/// A vector of whole numbers, of any numeric type. @throws DataError as read_mat_bytes().
std::vector<std::int64_t> read_mat_integers(const std::filesystem::path& path, const std::string& variable);

}  // namespace portraitseg
