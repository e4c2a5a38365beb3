#pragma once

#include <filesystem>
#include <string>

#include "portraitseg/core/error.h"

namespace portraitseg {

/// Another FolderLock has the folder.
class FolderTaken : public DataError {
 public:
  using DataError::DataError;
};

/// Keeps every other FolderLock out of a folder for as long as it lives: an advisory lock on the file FOLDER/.lock, which the
/// system takes back from a process that is killed, whatever it leaves. Where the file system has no locks, nobody is kept out.
class FolderLock {
 public:
  /// @param folder that exists
  /// @param doing what those are told who are kept out, before "by process 1234 on HOST"
  /// @throws FolderTaken with what the other one is doing, and its process, if another one has it. @throws DataError if the file
  ///         cannot be made.
  explicit FolderLock(const std::filesystem::path& folder, const std::string& doing = "is being trained");
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  static constexpr const char* kFile = ".lock";

 private:
  std::filesystem::path file_;
  int descriptor_ = -1;
};

}  // namespace portraitseg
