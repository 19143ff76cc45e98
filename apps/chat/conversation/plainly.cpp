// Both programs without TLS, in one unit: most of what plain lines compile to is the same for both.

#include <parley/listener.hpp>
#include <parley/protocols.hpp>

#include "chat/conversation/connector.hpp"
#include "chat/conversation/dialing.hpp"
#include "chat/conversation/joining.hpp"
#include "chat/conversation/lobby.hpp"
#include "chat/conversation/serving.hpp"
#include "chat/screen/console.hpp"
#include "chat/screen/explain.hpp"

namespace chat {

namespace {

asio::awaitable<exit_status> join(console& here, const client_settings& s) {
  const auto explain = [](const no_peer& f) { return explain_no_connection(f.why); };
  const auto met = [](const auto&) {};
  chat::connector connect{s.server};
  co_return co_await join<parley::lines>(here, s, connect, explain, met);
}

asio::awaitable<exit_status> serve(console& here, const server_settings& s) {
  parley::basic_listener<parley::lines> door(co_await asio::this_coro::executor,
                                             door_options(here, s));
  if (!open_door(door, here.show(), s)) co_return exit_status::unreachable;
  co_return co_await serve(door, here, s);
}

}  // namespace

exit_status join_plainly(const client_settings& s) {
  return run_at_console(s, [&](console& here) { return join(here, s); });
}

exit_status serve_plainly(const server_settings& s) {
  return run_at_console(s, [&](console& here) { return serve(here, s); });
}

}  // namespace chat
