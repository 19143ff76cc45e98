#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "notes.hpp"
#include "placement.hpp"
#include "support/process.hpp"

namespace bench {

/// One end of a trial: a process of its own, forked off this one, that does its work on one core
/// and tells by notes what came of it. Killed with the object if it still runs.
///
///   child server("the server", core, [&](int pipe) { write_note(pipe, ...); });
///   std::string address = server.expect(note::kind::address, deadline);
class child {
 public:
  template <typename Work>
  child(std::string name, std::size_t core, Work work) : name_(std::move(name)) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
      throw std::system_error(errno, std::generic_category(), "pipe");
    notes_ = parley::test::descriptor(ends[0]);
    parley::test::descriptor writer(ends[1]);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid_ == 0) live(writer.get(), parent, core, work);
  }
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  /// The text of its next note, which must be of this kind. Throws what went wrong instead.
  std::string expect(note::kind what, note_reader::time_point deadline) {
    note n;
    if (!next(n, deadline)) throw std::runtime_error(name_ + " ended early" + how());
    if (n.what != what) throw std::runtime_error(name_ + " told something unexpected");
    return std::move(n.text);
  }

  /// Waits until one of the two has something to say or ends; whether it is this one.
  [[nodiscard]] bool comes_before(const child& other, note_reader::time_point deadline) const {
    std::array<pollfd, 2> both{pollfd{notes_.get(), POLLIN, 0},
                               pollfd{other.notes_.get(), POLLIN, 0}};
    ::poll(both.data(), both.size(), milliseconds_until(deadline));
    return both[0].revents != 0 || both[1].revents == 0;
  }

  /// Waits until it is done, and throws what went wrong. It says nothing more.
  void finish(note_reader::time_point deadline) {
    if (pid_ < 0) return;
    note n;
    if (next(n, deadline)) throw std::runtime_error(name_ + " told something unexpected");
    if (const auto why = how(); !why.empty()) throw std::runtime_error(name_ + " failed" + why);
  }

 private:
  /// The child's whole life. It leaves without the clean-up of a process that it only is a copy of.
  template <typename Work>
  [[noreturn]] static void live(int pipe, pid_t parent, std::size_t core, Work& work) noexcept {
    try {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // nothing is left running when the benchmark is stopped
      if (::getppid() != parent) ::_exit(1);
      ::signal(SIGPIPE, SIG_IGN);
      stay_on(core);
      work(pipe);
      ::_exit(0);
    } catch (const std::exception& e) {
      fail(pipe, e.what());
    } catch (...) {
      fail(pipe, "something was thrown that is no exception");
    }
  }

  [[noreturn]] static void fail(int pipe, const char* why) noexcept {
    try {
      write_note(pipe, note::kind::failure, why);
    } catch (...) {  // the parent has gone, and with it the interest
      ::_exit(2);
    }
    ::_exit(1);
  }

  /// Whether there was another note; none at the end of all.
  bool next(note& n, note_reader::time_point deadline) {
    switch (reader_.next(notes_.get(), deadline, n)) {
      case note_reader::outcome::end: return false;
      case note_reader::outcome::late: throw std::runtime_error(name_ + " hangs");
      case note_reader::outcome::note: break;
    }
    if (n.what == note::kind::failure) throw std::runtime_error(name_ + ": " + n.text);
    return true;
  }

  /// How it ended, for a sentence; empty: well. Its pipe has closed, so it is about to.
  std::string how() {
    int status = 0;
    if (::waitpid(std::exchange(pid_, -1), &status, 0) < 0) return " without a trace";
    if (WIFSIGNALED(status)) return " by signal " + std::to_string(WTERMSIG(status));
    if (WEXITSTATUS(status) == 0) return "";
    return " with status " + std::to_string(WEXITSTATUS(status));
  }

  std::string name_;
  pid_t pid_ = -1;
  parley::test::descriptor notes_;
  note_reader reader_;
};

}  // namespace bench
