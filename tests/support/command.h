#pragma once

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/temporary_folder.h"

#ifndef PORTRAITSEG_COMMAND
#error "define PORTRAITSEG_COMMAND as the path of the program portraitseg"
#endif

namespace portraitseg::testing {

/// How a program ended and what it printed.
struct Ending {
  int exit_code = -1;  ///< -1: it did not exit
  int signal = 0;      ///< that ended it; 0: none
  std::string out, err;
};

/// A program that runs; it is killed with the object.
class Process {
 public:
  ~Process() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  Process(Process&& other) noexcept
      : pid_(std::exchange(other.pid_, 0)),
        status_(other.status_),
        out_(std::move(other.out_)),
        err_(std::move(other.err_)) {}
  Process& operator=(Process&&) = delete;

  bool running() {
    if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = 0;
    return pid_ > 0;
  }

  void send(int signal) {
    if (running()) ::kill(pid_, signal);
  }

  /// Looks every millisecond. @return false if the program ended (or two minutes passed) before the condition held
  bool wait_until(const std::function<bool()>& condition) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (running() && std::chrono::steady_clock::now() < limit) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }

  /// Waits for the end. @throws std::runtime_error after two minutes.
  Ending wait() {
    wait_until([] { return false; });
    if (running()) throw std::runtime_error("the program hangs; it printed: " + text(err_.get()));
    Ending ending;
    if (WIFEXITED(status_)) ending.exit_code = WEXITSTATUS(status_);
    if (WIFSIGNALED(status_)) ending.signal = WTERMSIG(status_);
    ending.out = text(out_.get());
    ending.err = text(err_.get());
    return ending;
  }

  std::string err() const { return text(err_.get()); }  ///< what it printed so far

 private:
  friend class Command;
  using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

  Process() : out_(std::tmpfile(), std::fclose), err_(std::tmpfile(), std::fclose) {
    if (out_ == nullptr || err_ == nullptr) throw std::runtime_error("cannot make a temporary file");
  }

  static std::string text(std::FILE* file) {
    std::string bytes;
    char buffer[4096];
    ssize_t count = 0;  // pread: the child shares the file's offset
    while ((count = ::pread(::fileno(file), buffer, sizeof(buffer), static_cast<off_t>(bytes.size()))) > 0)
      bytes.append(buffer, static_cast<std::size_t>(count));
    return bytes;
  }

  pid_t pid_ = 0;
  int status_ = 0;
  File out_, err_;
};

/// A call of portraitseg, as a user would type it.
class Command {
 public:
  explicit Command(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {}

  Command& in(std::filesystem::path folder) {
    folder_ = std::move(folder);
    return *this;
  }
  Command& environment(const std::string& name, const std::string& value) {
    environment_[name] = value;
    return *this;
  }
  Command& stdout_to(std::filesystem::path file) {
    stdout_ = std::move(file);
    return *this;
  }

  /// No file can be written beyond this size: the write fails as on a full disk (EFBIG in place of ENOSPC), and that
  /// needs no privileges.
  Command& limit_file_size(rlim_t bytes) {
    file_size_ = bytes;
    return *this;
  }

  /// No more than so many bytes of addresses; LibTorch alone takes about 1 GiB. Not with AddressSanitizer, which takes all.
  Command& limit_memory(rlim_t bytes) {
    memory_ = bytes;
    return *this;
  }

  Process start() const {
    std::vector<const char*> argv = {PORTRAITSEG_COMMAND};
    for (const auto& argument : arguments_) argv.push_back(argument.c_str());
    argv.push_back(nullptr);
    Process process;
    process.pid_ = ::fork();
    if (process.pid_ < 0) throw std::runtime_error("cannot fork");
    if (process.pid_ == 0) {
      become(argv, ::fileno(process.out_.get()), ::fileno(process.err_.get()));
      ::_exit(127);
    }
    return process;
  }

  Ending run() const { return start().wait(); }

 private:
  void become(const std::vector<const char*>& argv, int out, int err) const {
    for (const auto& [name, value] : environment_) ::setenv(name.c_str(), value.c_str(), 1);
    if (!folder_.empty() && ::chdir(folder_.c_str()) != 0) return;
    if (!stdout_.empty()) out = ::open(stdout_.c_str(), O_WRONLY | O_CREAT, 0666);
    const int in = ::open("/dev/null", O_RDONLY);
    if (::dup2(in, STDIN_FILENO) < 0 || ::dup2(out, STDOUT_FILENO) < 0 || ::dup2(err, STDERR_FILENO) < 0)
      return;
    if (file_size_ != RLIM_INFINITY) {
      const rlimit limit = {file_size_, file_size_};
      if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return;
    }
    const rlimit memory = {memory_, memory_};
    if (memory_ != RLIM_INFINITY && ::setrlimit(RLIMIT_AS, &memory) != 0) return;
    ::execv(argv.front(), const_cast<char* const*>(argv.data()));
  }

  std::vector<std::string> arguments_;
  std::filesystem::path folder_, stdout_;
  std::map<std::string, std::string> environment_;
  rlim_t file_size_ = RLIM_INFINITY, memory_ = RLIM_INFINITY;
};

/// The whole file; "" if it cannot be read.
inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Whether the process is there and computes: no zombie that was killed before.
inline bool is_alive(pid_t pid) {
  const std::string stat = bytes_of("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = stat.rfind(')');
  return name_end != std::string::npos && stat.size() > name_end + 2 && stat[name_end + 2] != 'Z';
}

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// "" if there is none.
inline std::string last_line(const std::string& text) {
  const auto lines = lines_of(text);
  return lines.empty() ? "" : lines.back();
}

/// Everything below a folder, by path below it; a folder ends with "/".
inline std::map<std::string, std::string> contents(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder).string();
    if (entry.is_directory()) {
      files[name + "/"];
    } else {
      files[name] = bytes_of(entry.path());
    }
  }
  return files;
}

/// A .safetensors file, taken apart without the library under test.
struct Safetensors {
  nlohmann::ordered_json header;  ///< without __metadata__
  nlohmann::ordered_json metadata;
  std::string data;

  static Safetensors parse(const std::string& bytes) {
    std::uint64_t size = 0;
    if (bytes.size() < sizeof(size)) throw std::runtime_error("no safetensors file");
    std::memcpy(&size, bytes.data(), sizeof(size));
    Safetensors file;
    file.header = nlohmann::ordered_json::parse(bytes.substr(sizeof(size), size));
    file.metadata = file.header.value("__metadata__", nlohmann::ordered_json::object());
    file.header.erase("__metadata__");
    file.data = bytes.substr(sizeof(size) + size);
    return file;
  }

  std::string bytes() const {
    nlohmann::ordered_json all = nlohmann::ordered_json::object();
    if (!metadata.empty()) all["__metadata__"] = metadata;
    for (const auto& [key, entry] : header.items()) all[key] = entry;
    const std::string text = all.dump();
    const std::uint64_t size = text.size();
    return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + text + data;
  }

  /// The same keys, types, shapes and bits, whatever the metadata say.
  bool same_tensors(const Safetensors& other) const { return header == other.header && data == other.data; }

  nlohmann::json progress() const {
    return nlohmann::json::parse(metadata.at("portraitseg.progress").get<std::string>());
  }
};

/// A folder where a user works: data/ with 24 + 8 small portraits, and config.yaml, which trains on them in seconds.
class Workplace {
 public:
  Workplace() {
    const Ending made = command({"dataset", "synthesize", "--output", "data", "--test", "0", "--train", "24",
                                 "--val", "8", "--height", "64", "--width", "64"})
                            .run();
    if (made.exit_code != 0) throw std::runtime_error("no data set: " + made.err);
    write_bytes(path() / "config.yaml",
                "preprocessing: {size: [64, 64]}\n"
                "data: {root: data, workers: 1}\n"
                "augment: {affine: {rotation_deg: 10, scale: [0.9, 1.1], shift: 0.05}}\n"
                "optimizer: {lr: 0.02}\n"
                "schedule: {milestones: [9]}\n"
                "trainer: {epochs: 4, batch_size: 4}\n"
                "evaluation: {batch_size: 4}\n"
                "device: {name: cpu, threads: 1}\n");
  }

  const std::filesystem::path& path() const { return folder_.path(); }
  std::filesystem::path operator/(const std::filesystem::path& below) const { return path() / below; }

  /// A call from this folder. OpenMP's threads sleep while they wait, or two of them on a busy machine take minutes.
  Command command(std::vector<std::string> arguments) const {
    return Command(std::move(arguments)).in(path()).environment("OMP_WAIT_POLICY", "passive");
  }

  /// `portraitseg train --config config.yaml --output OUTPUT --set ...`
  Command train(const std::string& output, const std::vector<std::string>& overrides = {}) const {
    std::vector<std::string> arguments = {"train", "--config", "config.yaml", "--output", output};
    for (const auto& override : overrides) arguments.insert(arguments.end(), {"--set", override});
    return command(arguments);
  }
  Command resume(const std::string& run) const { return command({"train", "--resume", run}); }

 private:
  TemporaryFolder folder_;
};

}  // namespace portraitseg::testing
