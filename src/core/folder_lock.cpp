#include "portraitseg/core/folder_lock.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

enum class Try { kLocked, kTaken, kNoLocks };

Try try_lock(int descriptor) {
  int result = 0;
  do result = ::flock(descriptor, LOCK_EX | LOCK_NB);
  while (result != 0 && errno == EINTR);
  if (result == 0) return Try::kLocked;
  return errno == EWOULDBLOCK ? Try::kTaken : Try::kNoLocks;
}

/// Whether the open file is still the one of this name: who had the lock before has taken it away.
bool is_at(const fs::path& file, int descriptor) {
  struct stat opened = {}, named = {};
  return ::fstat(descriptor, &opened) == 0 && ::stat(file.c_str(), &named) == 0 &&
         opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

std::string own_name() {
  std::array<char, 256> host = {};
  ::gethostname(host.data(), host.size() - 1);
  return "process " + std::to_string(::getpid()) + " on " + host.data();
}

/// As the process that has the lock wrote it.
std::string holder(int descriptor) {
  std::array<char, 512> text = {};
  const ssize_t size = ::pread(descriptor, text.data(), text.size(), 0);
  return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : "is in use by another process";
}

}  // namespace

FolderLock::FolderLock(const fs::path& folder, const std::string& doing) : file_(folder / kFile) {
  for (;;) {
    descriptor_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ < 0) throw DataError(file_, std::string("cannot create: ") + std::strerror(errno));
    const Try attempt = try_lock(descriptor_);
    if (attempt == Try::kTaken) {
      const std::string other = holder(descriptor_);
      ::close(descriptor_);
      throw FolderTaken(folder, other);
    }
    if (attempt == Try::kNoLocks || is_at(file_, descriptor_)) break;
    ::close(descriptor_);
  }
  const std::string name = doing + " by " + own_name();
  // Only a message lacks something where this fails.
  [[maybe_unused]] const bool written =
      ::ftruncate(descriptor_, 0) == 0 && ::pwrite(descriptor_, name.data(), name.size(), 0) > 0;
}

FolderLock::~FolderLock() {
  if (is_at(file_, descriptor_)) ::unlink(file_.c_str());
  ::close(descriptor_);
}

}  // namespace portraitseg
