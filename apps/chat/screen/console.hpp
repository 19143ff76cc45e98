#pragma once

#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>

#include <parley/detail/asio.hpp>
#include <parley/identity.hpp>
#include <parley/options.hpp>

#include "chat/program/settings.hpp"
#include "chat/screen/json.hpp"
#include "chat/screen/screen.hpp"
#include "chat/screen/view.hpp"
#include "chat/streams/departure.hpp"
#include "chat/streams/input.hpp"
#include "chat/streams/output.hpp"

namespace chat {

/// What a program has on this side of a conversation: its three streams, how things are shown on
/// them, and whether it was asked to leave. One per process, used on one thread.
///
///   console here(co_await asio::this_coro::executor, settings);
///   here.show().error("...");
///   co_await here.settle();                           // before the process ends
class console {
 public:
  console(const asio::any_io_executor& e, const settings& s)
      : leaving(e),
        in(e, STDIN_FILENO, parley::options().max_message),
        out(e, STDOUT_FILENO),
        err_(e, STDERR_FILENO),
        terminal_(!s.json && ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0) {
    if (s.json)
      view_ = std::make_shared<json_view>(s.program, out, err_);
    else if (terminal_)
      view_ = std::make_shared<screen>(s.program, out, err_, terminal_style::wanted(s.color));
    else
      view_ = std::make_shared<view>(s.program, out, err_, ::isatty(STDOUT_FILENO) != 0);
  }

  [[nodiscard]] view& show() noexcept { return *view_; }

  /// Whether a person types here and reads the answers. Otherwise input lines are messages as they
  /// are, and the end of input ends what is said, not what is heard.
  [[nodiscard]] bool is_terminal() const noexcept { return terminal_; }

  /// What the library needs to know, and whom it tells what concerns no one conversation.
  [[nodiscard]] parley::options peer_options(const settings& s) const {
    parley::options o;
    o.name = s.name;
    // Weak: a caller may still be on the way out when this side has closed its eyes.
    o.on_event = [weak = std::weak_ptr<view>(view_)](const parley::event& e) {
      const auto v = weak.lock();
      if (v) v->happened(e);
    };
    o.resume_for = s.resume_for();
    return o;
  }

  /// Completes when what was printed has been taken, by stderr within a second.
  asio::awaitable<void> settle() {
    co_await out.drained();
    constexpr auto step = std::chrono::milliseconds(10);
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (auto waited = step; err_.held() != 0 && waited < std::chrono::seconds(1); waited += step) {
      timer.expires_after(step);
      co_await timer.async_wait(asio::use_awaitable);
    }
  }

  departure leaving;
  input in;
  output out;
  std::optional<parley::identity> me;  ///< who this side is; none on plain lines

 private:
  output err_;
  bool terminal_;
  std::shared_ptr<view> view_;
};

}  // namespace chat
