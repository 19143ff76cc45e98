#pragma once

#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>

#include <asio/signal_set.hpp>

#include <parley/detail/asio.hpp>

#include "chat/program/outcome.hpp"

namespace chat {

/// Whether this side has been asked to leave: by Ctrl-C, by whoever runs the program, by its user.
///
/// The first Ctrl-C, SIGTERM and SIGHUP ask; whatever is going on hears of it once and ends in good
/// order. Ctrl-C after that ends the process at once, and the peer is told if that can be. SIGPIPE
/// is ignored, as long as the process lives. One object per process, used on one thread.
///
///   departure leaving(executor);
///   leaving.whenever([&] { listener.close(); });      // at once if it was asked already
class departure {
 public:
  explicit departure(const asio::any_io_executor& e) : state_(std::make_shared<state>(e)) {
    std::signal(SIGPIPE, SIG_IGN);
    state_->signals.add(SIGINT);
    state_->signals.add(SIGTERM);
    // Whoever started this with nohup wants it to outlive the terminal.
    struct sigaction hangup{};
    if (::sigaction(SIGHUP, nullptr, &hangup) != 0 || hangup.sa_handler != SIG_IGN)
      state_->signals.add(SIGHUP);
    wait(state_);
  }
  departure(const departure&) = delete;
  departure& operator=(const departure&) = delete;
  ~departure() {
    state_->leave = state_->at_once = nullptr;
    std::error_code ignored;  // nobody waits for a signal any more, whatever this says
    state_->signals.cancel(ignored);
  }

  void ask() { state_->ask(); }
  [[nodiscard]] bool asked() const noexcept { return state_->asked; }

  /// What to do when it is asked for, and what when it is to be at once, before the process ends;
  /// replaces what was to be done before.
  void whenever(std::function<void()> leave, std::function<void()> at_once = nullptr) {
    state_->leave = std::move(leave);
    state_->at_once = std::move(at_once);
    if (state_->asked && state_->leave) state_->leave();
  }

 private:
  /// Shared with the handler: a signal may stand in its queue when the object goes.
  struct state {
    explicit state(const asio::any_io_executor& e) : signals(e) {}
    void ask() {
      if (std::exchange(asked, true)) return;
      if (leave) leave();
    }
    asio::signal_set signals;
    std::function<void()> leave;
    std::function<void()> at_once;
    bool asked = false;
  };

  static void wait(const std::shared_ptr<state>& s) {
    s->signals.async_wait([s](std::error_code cancelled, int signal) {
      if (cancelled) return;
      if (s->asked && signal == SIGINT) {
        if (s->at_once) s->at_once();
        std::_Exit(static_cast<int>(exit_status::interrupted));
      }
      s->ask();
      wait(s);
    });
  }

  std::shared_ptr<state> state_;
};

}  // namespace chat
