#include "portraitseg/data/write_image.h"

#include <string>
#include <vector>

#include <opencv2/imgcodecs.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

namespace portraitseg {

void write_image(const std::filesystem::path& path, const cv::Mat& image, int jpeg_quality) {
  const std::string extension = path.extension().string();
  const bool jpeg = extension == ".jpg" || extension == ".jpeg";
  std::vector<int> options;
  if (jpeg) options = {cv::IMWRITE_JPEG_QUALITY, jpeg_quality};
  std::vector<unsigned char> bytes;
  try {
    if (!cv::imencode(jpeg ? ".jpg" : ".png", image, bytes, options))
      throw DataError(path, "the image cannot be encoded");
  } catch (const cv::Exception& error) {  // a side above JPEG's 65,500 pixels
    throw DataError(path, "the image cannot be encoded: " + error.err);
  }
  write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace portraitseg
