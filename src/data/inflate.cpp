#include "inflate.h"

#include <array>
#include <memory>

#include <zlib.h>

#include "portraitseg/core/error.h"

namespace portraitseg {

std::string inflate(std::string_view bytes, const std::string& what, const std::filesystem::path& path,
                    std::size_t largest) {
  z_stream stream{};
  if (::inflateInit(&stream) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> closes(&stream, &::inflateEnd);
  // zlib's interface is not const; it does not write to its input.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string content;
  std::array<char, 1 << 16> buffer;
  for (int state = Z_OK; state != Z_STREAM_END;) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    state = ::inflate(&stream, Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END) {
      throw DataError(path, what + " is damaged or truncated: no whole zlib stream");
    }
    content.append(buffer.data(), buffer.size() - stream.avail_out);
    if (content.size() > largest)
      throw DataError(path, what + " unpacks to more than " + std::to_string(largest) + " bytes");
  }
  return content;
}

}  // namespace portraitseg
