#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <functional>
#include <iostream>
#include <system_error>
#include <utility>

namespace parley::test {

/// A process of its own, forked off this one, that does some work and ends. Killed with the object.
///
///   const forked other([&] { dial_a_thousand(where); });
class forked {
 public:
  explicit forked(const std::function<void()>& work) : pid_(::fork()) {
    if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid_ == 0) live(work);
  }
  forked(const forked&) = delete;
  forked& operator=(const forked&) = delete;
  ~forked() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Somebody has waited for its end.
  void reaped() noexcept { pid_ = -1; }

 private:
  /// Its whole life. It leaves without the clean-up of a process that it only is a copy of.
  [[noreturn]] static void live(const std::function<void()>& work) noexcept {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that is stopped leaves nothing running
    try {
      work();
      ::_exit(0);
    } catch (const std::exception& e) {
      std::cerr << "in a forked process: " << e.what() << '\n';
    }
    ::_exit(1);
  }

  pid_t pid_;
};

}  // namespace parley::test
