#pragma once

#include <functional>
#include <memory>
#include <optional>

#include <parley/detail/asio.hpp>
#include <parley/identity.hpp>
#include <parley/options.hpp>

#include "chat/program/outcome.hpp"
#include "chat/program/settings.hpp"
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
  console(const asio::any_io_executor& e, const settings& s);

  [[nodiscard]] view& show() noexcept { return *view_; }

  /// Whether a person types here and reads the answers. Otherwise input lines are messages as they
  /// are, and the end of input ends what is said, not what is heard.
  [[nodiscard]] bool is_terminal() const noexcept { return terminal_; }

  /// What the library needs to know, and whom it tells what concerns no one conversation.
  [[nodiscard]] parley::options peer_options(const settings& s) const;

  /// Answers the person at the terminal while nobody is at the other end. Completes once
  /// `somebody_comes` has, which interrupts the input.
  asio::awaitable<void> pass_time_until(asio::awaitable<void> somebody_comes);

  /// Completes when what was printed has been taken, by stderr within a second.
  asio::awaitable<void> settle();

  departure leaving;
  input in;
  output out;
  std::optional<parley::identity> me;  ///< who this side is; none on plain lines

 private:
  asio::awaitable<void> pass_time();

  output err_;
  bool terminal_;
  std::shared_ptr<view> view_;
};

/// A whole program: runs `body` at a console until it ends and its output is taken; returns how it
/// ended. What `body` throws, it throws.
[[nodiscard]] exit_status run_at_console(
    const settings& s, const std::function<asio::awaitable<exit_status>(console&)>& body);

}  // namespace chat
