#include "program.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace portraitseg {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

constexpr auto kLimit = std::chrono::seconds(60), kForLast = std::chrono::seconds(1);
constexpr auto kLook = std::chrono::milliseconds(5);

std::string text_of(std::FILE* file) {
  std::string text;
  std::array<char, 4096> buffer = {};
  std::rewind(file);
  for (std::size_t size = 0; (size = std::fread(buffer.data(), 1, buffer.size(), file)) > 0;)
    text.append(buffer.data(), size);
  return text;
}

std::vector<char*> variables(const std::vector<std::string>& without) {
  std::vector<char*> kept;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const bool is_out = std::any_of(without.begin(), without.end(), [&](const std::string& start) {
      return std::strncmp(*entry, start.c_str(), start.size()) == 0;
    });
    if (!is_out) kept.push_back(*entry);
  }
  kept.push_back(nullptr);
  return kept;
}

/// @return its process id; 0: it cannot be started
pid_t spawn(std::vector<std::string>& arguments, const std::vector<std::string>& without, int out, int err) {
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::vector<char*> envp = variables(without);
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, argv.front(), &files, &attributes, argv.data(), envp.data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  return error == 0 ? child : 0;
}

/// Waits at most until `limit`. @return whether it has ended
bool ends(pid_t child, std::chrono::steady_clock::time_point limit, int& status) {
  for (;;) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return true;
    if (ended < 0 && errno != EINTR) return false;
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace

bool has_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access(((folder.empty() ? "." : folder) + "/" + name).c_str(), X_OK) == 0) return true;
  }
  return false;
}

ProgramEnd run_program(std::vector<std::string> arguments, const std::vector<std::string>& without) {
  ProgramEnd end;
  const File out(std::tmpfile(), std::fclose), err(std::tmpfile(), std::fclose);
  if (out == nullptr || err == nullptr) {
    end.err = std::string("no temporary file can be made: ") + std::strerror(errno);
    return end;
  }
  const pid_t child = spawn(arguments, without, ::fileno(out.get()), ::fileno(err.get()));
  if (child == 0) {
    end.err = arguments.front() + " cannot be started";
    return end;
  }
  int status = 0;
  const auto start = std::chrono::steady_clock::now();
  const bool in_time = ends(child, start + kLimit, status);
  if (!in_time) {
    ::kill(child, SIGKILL);
    ends(child, std::chrono::steady_clock::now() + kForLast, status);
  }
  end.out = text_of(out.get());
  end.err = in_time ? text_of(err.get()) : arguments.front() + " does not end";
  if (in_time && WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  return end;
}

}  // namespace portraitseg
