#include "portraitseg/core/folder_lock.h"

#include <csignal>
#include <string>

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string refusal(const std::filesystem::path& folder) {
  try {
    const FolderLock lock(folder);
  } catch (const DataError& error) {
    return error.what();
  }
  return "none";
}

TEST(FolderLock, KeepsASecondOneOutAndNamesTheProcess) {
  const testing::TemporaryFolder folder;
  {
    const FolderLock lock(folder.path());
    EXPECT_THAT(refusal(folder.path()),
                AllOf(HasSubstr(folder.path().string()), HasSubstr("process " + std::to_string(::getpid()))));
    EXPECT_THAT(refusal(folder.path()), HasSubstr("process")) << "a refusal takes nothing from the first one";
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_EQ(refusal(folder.path()), "none");
}

TEST(FolderLock, SaysWhatTheOtherOneIsDoing) {
  const testing::TemporaryFolder folder;
  const FolderLock lock(folder.path(), "is being tidied up");
  EXPECT_THAT(refusal(folder.path()), HasSubstr(": is being tidied up by process "));
}

TEST(FolderLock, OfAKilledProcessKeepsNobodyOut) {
  const testing::TemporaryFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    const FolderLock lock(folder.path());
    ::kill(::getpid(), SIGKILL);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(read_file(folder.path() / FolderLock::kFile).empty());
  EXPECT_EQ(refusal(folder.path()), "none");
}

TEST(FolderLock, OfAFolderThatIsNotThereIsAnError) {
  const testing::TemporaryFolder folder;
  EXPECT_THAT(refusal(folder.path() / "none"), HasSubstr("none/.lock: cannot create: No such file"));
}

}  // namespace
}  // namespace portraitseg
