#pragma once

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>

#include "cost/forked.hpp"

namespace parley::test {

/// Begins what is counted of this process, or ends it: a system call that nothing else makes here.
inline void mark_system_calls() { ::syscall(SYS_getppid); }

/// How often a process has called the system between its marks.
class system_calls {
 public:
  void add(long number) { ++counts_[number]; }

  [[nodiscard]] std::uint64_t all() const {
    std::uint64_t sum = 0;
    for (const auto& [number, count] : counts_) sum += count;
    return sum;
  }
  /// Those that write to a stream.
  [[nodiscard]] std::uint64_t writes() const {
    std::uint64_t sum = 0;
    for (const long number : {SYS_write, SYS_writev, SYS_sendto, SYS_sendmsg, SYS_sendmmsg})
      if (const auto found = counts_.find(number); found != counts_.end()) sum += found->second;
    return sum;
  }
  /// For who looks into a failure; the system's headers have the names.
  [[nodiscard]] std::string by_number() const {
    std::ostringstream text;
    for (const auto& [number, count] : counts_) text << ' ' << number << ": " << count << "×";
    return std::move(text).str();
  }

 private:
  std::map<long, std::uint64_t> counts_;
};

/// A process whose system calls are counted (ptrace(2)).
///
/// It stops at the beginning and at the end of each call and goes on when told. Skips the test
/// where the system does not let a process trace its child, as in some containers.
class traced {
 public:
  explicit traced(const std::function<void()>& work)
      : process_([&] {
          if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(forbidden);
          ::raise(SIGSTOP);
          work();
        }) {}

  /// Waits until it is about to begin its work.
  void prepare() {
    int status = 0;
    ::waitpid(process_.pid(), &status, 0);
    if (!WIFSTOPPED(status)) {
      process_.reaped();
      SKIP("this system does not let a process trace its child");
    }
    constexpr long wanted = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    if (::ptrace(PTRACE_SETOPTIONS, process_.pid(), nullptr, wanted) != 0)
      SKIP("this system cannot tell system calls from signals");
  }

  void go_on() { resume(0); }

  /// What waitpid(2) says of it: counts the call that begins, and lets it go on.
  void heard(int status) {
    if (!WIFSTOPPED(status)) return ended(status);
    constexpr int at_call = SIGTRAP | 0x80;  // by PTRACE_O_TRACESYSGOOD
    if (WSTOPSIG(status) != at_call) return resume(WSTOPSIG(status));
    count();
    resume(0);
  }

  [[nodiscard]] pid_t pid() const noexcept { return process_.pid(); }
  [[nodiscard]] bool done() const noexcept { return process_.pid() < 0; }
  [[nodiscard]] const system_calls& calls() const noexcept { return calls_; }

 private:
  static constexpr int forbidden = 3;

  void resume(long signal) {
    if (::ptrace(PTRACE_SYSCALL, process_.pid(), nullptr, signal) != 0 && errno != ESRCH)
      throw std::system_error(errno, std::generic_category(), "ptrace");
  }

  void count() {
    __ptrace_syscall_info call{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, process_.pid(), sizeof call, &call) <= 0)
      SKIP("this system does not tell which call it was (Linux before 5.3)");
    if (call.op != PTRACE_SYSCALL_INFO_ENTRY) return;
    if (call.entry.nr == SYS_getppid)
      counting_ = !counting_;
    else if (counting_)
      calls_.add(static_cast<long>(call.entry.nr));
  }

  void ended(int status) {
    process_.reaped();
    if (status != 0) throw std::runtime_error("a traced process failed");
  }

  forked process_;
  system_calls calls_;
  bool counting_ = false;
};

/// Does both, each in a process of its own and at the same time; what each has called between its
/// marks.
[[nodiscard]] inline std::array<system_calls, 2> count_system_calls(
    const std::function<void()>& first, const std::function<void()>& second) {
  std::array<traced, 2> both{traced(first), traced(second)};
  for (auto& t : both) t.prepare();
  for (auto& t : both) t.go_on();
  while (!both[0].done() || !both[1].done()) {
    int status = 0;
    const pid_t who = ::waitpid(-1, &status, __WALL);
    if (who < 0) throw std::system_error(errno, std::generic_category(), "waitpid");
    for (auto& t : both)
      if (t.pid() == who) t.heard(status);
  }
  return {both[0].calls(), both[1].calls()};
}

}  // namespace parley::test
