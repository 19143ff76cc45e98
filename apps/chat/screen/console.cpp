// What all views show themselves with is compiled here, and with it all of nlohmann/json.

#include "chat/screen/console.hpp"

#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/event.hpp>
#include <parley/options.hpp>

#include "chat/program/outcome.hpp"
#include "chat/program/run.hpp"
#include "chat/program/settings.hpp"
#include "chat/screen/commands.hpp"
#include "chat/screen/json.hpp"
#include "chat/screen/screen.hpp"
#include "chat/screen/view.hpp"

namespace chat {

console::console(const asio::any_io_executor& e, const settings& s)
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

parley::options console::peer_options(const settings& s) const {
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

asio::awaitable<void> console::pass_time_until(asio::awaitable<void> somebody_comes) {
  using namespace asio::experimental::awaitable_operators;
  co_await (std::move(somebody_comes) && pass_time());
}

asio::awaitable<void> console::pass_time() {
  if (!is_terminal()) co_return;  // what comes through a pipe waits until somebody listens
  // Not `for (; co_await …;)`: GCC 12 miscompiles a bare co_await as a condition.
  for (bool more = co_await in.ready(); more; more = co_await in.ready()) {
    const auto typed = understand(in.front().text);
    if (typed.what == command::quit)
      leaving.ask();
    else if (!answer_alone(typed, show()) && !typed.rest.empty())
      show().note("nobody is here yet, so that was not sent; /quit ends");
    in.pop();
  }
  if (in.at_end()) leaving.ask();
}

asio::awaitable<void> console::settle() {
  co_await out.drained();
  constexpr auto step = std::chrono::milliseconds(10);
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (auto waited = step; err_.held() != 0 && waited < std::chrono::seconds(1); waited += step) {
    timer.expires_after(step);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

namespace {

asio::awaitable<exit_status> at_console(
    const settings& s, const std::function<asio::awaitable<exit_status>(console&)>& body) {
  console here(co_await asio::this_coro::executor, s);
  const exit_status status = co_await body(here);
  co_await here.settle();
  co_return status;
}

}  // namespace

exit_status run_at_console(const settings& s,
                           const std::function<asio::awaitable<exit_status>(console&)>& body) {
  return run(at_console(s, body), s.spin());
}

}  // namespace chat
