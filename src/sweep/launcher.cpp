#include "portraitseg/sweep/launcher.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "portraitseg/core/device.h"
#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

constexpr const char* kProgram = "/proc/self/exe";  // also where the file was replaced since

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (auto& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

/// This process's environment with the worker's device.
std::vector<std::string> environment(const std::string& device) {
  const std::string variable = std::string(kVisibleDevices) + "=";
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (device.empty() || std::strncmp(*entry, variable.c_str(), variable.size()) != 0)
      all.emplace_back(*entry);
  }
  if (!device.empty()) all.push_back(variable + device);
  return all;
}

/// Becomes the job; returns only on failure. Between fork and exec nothing may allocate: other threads may have held the locks.
void become(char* const* arguments, char* const* variables, int output, pid_t parent) {
  for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) return;  // it ended before it could be watched
  const int input = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (::dup2(input, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
      ::dup2(output, STDERR_FILENO) < 0)
    return;
  ::execve(kProgram, arguments, variables);
}

}  // namespace

LocalLauncher::LocalLauncher(std::vector<std::string> devices) : devices_(std::move(devices)) {
  std::signal(SIGCHLD, SIG_DFL);  // where it is ignored, which is inherited, no child's end can be asked for
}

std::vector<std::optional<JobId>> LocalLauncher::start(const std::vector<Job>& jobs) {
  std::vector<std::optional<JobId>> ids;
  for (const Job& job : jobs) ids.push_back(JobId{start(job), ""});
  return ids;
}

std::int64_t LocalLauncher::start(const Job& job) {
  std::vector<std::string> arguments = {"portraitseg"};
  arguments.insert(arguments.end(), job.arguments.begin(), job.arguments.end());
  const bool own_device = job.any_device && !devices_.empty();
  std::vector<std::string> variables = environment(own_device ? devices_[job.slot % devices_.size()] : "");
  const std::vector<char*> argv = pointers(arguments), envp = pointers(variables);
  const int output = ::open(job.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (output < 0) throw DataError(job.output, std::string("cannot create: ") + std::strerror(errno));
  // A signal between fork and exec would meet this process's handlers in the child, and be forgotten.
  sigset_t ends, before;
  sigemptyset(&ends);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&ends, signal);
  ::pthread_sigmask(SIG_BLOCK, &ends, &before);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child == 0) {
    become(argv.data(), envp.data(), output, parent);
    ::_exit(127);
  }
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::close(output);
  if (child < 0) throw UserError(std::string("cannot start a worker: ") + std::strerror(error));
  return child;
}

std::optional<JobId> LocalLauncher::adopt(const std::string& /*name*/) {
  return std::nullopt;  // they end with their launcher; until then they have their folder locked
}

std::optional<JobEnd> LocalLauncher::end(const JobId& job) {
  int status = 0;
  const pid_t ended = ::waitpid(static_cast<pid_t>(job.pid), &status, WNOHANG);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return std::nullopt;
  JobEnd end;
  if (ended > 0 && WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  end.exit_code = ended > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 128 + end.signal;
  return end;
}

void LocalLauncher::stop(const JobId& job) {
  ::kill(static_cast<pid_t>(job.pid), SIGTERM);
}

}  // namespace portraitseg
