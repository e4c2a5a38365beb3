#pragma once

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/command.h"
#include "support/temporary_folder.h"

namespace portraitseg::testing {

/// A Slurm cluster of this machine alone, on loopback, with two processors whatever the machine has, that takes arrays of up to nine
/// tasks; nothing of it outlives the object. Slurm's programs that this process starts, and their children, talk to it.
class SlurmCluster {
 public:
  SlurmCluster() {
    for (const char* program : {"munged", "slurmctld", "slurmd", "sbatch"}) {
      if (output_of(std::string("PATH=$PATH:/usr/sbin command -v ") + program).empty()) {
        why_not_ = std::string("there is no ") + program;
        return;
      }
    }
    if (user().empty()) {
      why_not_ = "the user " + std::to_string(::geteuid()) + " has no name";
      return;
    }
    configure();
    ::setenv("SLURM_CONF", file("slurm.conf").c_str(), 1);
    start("munged --key-file=" + file("munge.key") + " --socket=" + file("munge.socket") +
          " --pid-file=" + file("munged.pid") + " --log-file=" + file("munged.log") +
          " --seed-file=" + file("munge.seed") + " --num-threads=1");
    start_controller();
    start("slurmd");
    for (int i = 0; i < 200; ++i) {
      if (output_of("sinfo --noheader --format=%T") == "idle\n") return;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    why_not_ = "it does not begin to work: " + output_of("tail -n 3 " + file("*.log"));
  }

  ~SlurmCluster() {
    if (why_not_.empty()) {
      output_of("scancel --user=$(id -u)");
      for (int i = 0; i < 100 && !output_of("squeue --noheader").empty(); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    for (const char* daemon : {"slurmd", "slurmctld", "munged"}) stop(daemon);
    ::unsetenv("SLURM_CONF");
  }
  SlurmCluster(const SlurmCluster&) = delete;
  SlurmCluster& operator=(const SlurmCluster&) = delete;

  const std::string& why_not() const { return why_not_; }  ///< "": it works

  void start_controller() const { start("slurmctld"); }
  void stop_controller() const { stop("slurmctld"); }

  /// What a shell's command prints.
  static std::string output_of(const std::string& command) {
    std::FILE* pipe = ::popen(("{ " + command + "; } 2>&1").c_str(), "r");
    if (pipe == nullptr) throw std::runtime_error("cannot start a shell");
    std::string text;
    std::array<char, 4096> buffer = {};
    for (std::size_t size = 0; (size = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
      text.append(buffer.data(), size);
    ::pclose(pipe);
    return text;
  }

 private:
  std::string file(const std::string& name) const { return (folder_.path() / name).string(); }

  /// A port that nobody else gets as long as this lives.
  class FreePort {
   public:
    FreePort() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
      sockaddr_in address = {};
      socklen_t size = sizeof(address);
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      if (socket_ < 0 || ::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
          ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        throw std::runtime_error("there is no free port");
      number_ = ntohs(address.sin_port);
    }
    ~FreePort() { ::close(socket_); }
    FreePort(const FreePort&) = delete;
    FreePort& operator=(const FreePort&) = delete;

    std::string number() const { return std::to_string(number_); }

   private:
    int socket_, number_ = 0;
  };

  static std::string user() {
    const passwd* entry = ::getpwuid(::geteuid());
    return entry == nullptr ? "" : entry->pw_name;
  }

  void configure() const {
    std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
    write_bytes(file("munge.key"), std::string(128, 'k'));
    std::filesystem::permissions(file("munge.key"), std::filesystem::perms(0400));
    std::array<char, 256> name = {};
    ::gethostname(name.data(), name.size() - 1);
    const std::string host = std::string(name.data()).substr(0, std::string(name.data()).find('.'));
    const FreePort controller, node;
    write_bytes(file("slurm.conf"),
                "ClusterName=test\nSlurmctldHost=" + host +
                    "(127.0.0.1)\nSlurmctldPort=" + controller.number() + "\nSlurmdPort=" + node.number() +
                    "\nSlurmUser=" + user() + "\nSlurmdUser=" + user() +
                    "\nAuthType=auth/munge\nAuthInfo=socket=" + file("munge.socket") +
                    "\nStateSaveLocation=" + file("state") + "\nSlurmdSpoolDir=" + file("spool") +
                    "\nSlurmctldPidFile=" + file("slurmctld.pid") + "\nSlurmdPidFile=" + file("slurmd.pid") +
                    "\nSlurmctldLogFile=" + file("slurmctld.log") + "\nSlurmdLogFile=" + file("slurmd.log") +
                    "\nProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\n"
                    "SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\n"
                    "SchedulerParameters=sched_interval=1,batch_sched_delay=0\n"
                    "AccountingStorageType=accounting_storage/none\nJobAcctGatherType=jobacct_gather/none\n"
                    "ReturnToService=2\nMaxArraySize=9\nMinJobAge=5\nKillWait=30\nMessageTimeout=5\n"
                    "NodeName=" +
                    host + " NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\nPartitionName=main Nodes=" + host +
                    " Default=YES State=UP\n");
    for (const char* below : {"state", "spool"}) std::filesystem::create_directories(file(below));
  }

  /// Daemons leave their first process.
  void start(const std::string& daemon) const {
    output_of("PATH=$PATH:/usr/sbin " + daemon + " </dev/null >>" + file("start.log") + " 2>&1");
  }

  void stop(const std::string& daemon) const {
    pid_t pid = 0;
    std::ifstream(file(daemon + ".pid")) >> pid;
    for (int i = 0; i < 100 && pid > 0 && is_alive(pid); ++i) {
      ::kill(pid, i < 50 ? SIGTERM : SIGKILL);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }

  TemporaryFolder folder_;
  std::string why_not_;
};

}  // namespace portraitseg::testing
