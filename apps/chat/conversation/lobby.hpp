#pragma once

#include <optional>
#include <system_error>

#include <parley/detail/asio.hpp>

#include "chat/screen/commands.hpp"
#include "chat/screen/console.hpp"

namespace chat {

/// Completes with the next caller, or with none when this side is to leave.
template <typename Listener>
asio::awaitable<void> greet(Listener& door, console& here,
                            std::optional<typename Listener::peer_type>& caller) {
  here.leaving.whenever([&door] { door.close(); });
  try {
    caller = co_await door.accept();
  } catch (const std::system_error&) {
    caller.reset();  // the door was closed, there is no other reason
  }
  here.leaving.whenever(nullptr);
  here.in.interrupt();
}

/// Answers the person at the terminal while nobody is there; completes once `greet` has.
inline asio::awaitable<void> pass_time(console& here) {
  if (!here.is_terminal()) co_return;  // what comes through a pipe waits until somebody listens
  // Not `for (; co_await …;)`: GCC 12 miscompiles a bare co_await as a condition.
  for (bool more = co_await here.in.ready(); more; more = co_await here.in.ready()) {
    const auto typed = understand(here.in.front().text);
    if (typed.what == command::quit)
      here.leaving.ask();
    else if (!answer_alone(typed, here.show()) && !typed.rest.empty())
      here.show().note("nobody is here yet, so that was not sent; /quit ends");
    here.in.pop();
  }
  if (here.in.at_end()) here.leaving.ask();
}

}  // namespace chat
