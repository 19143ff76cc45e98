// parley-server: waits for a parley-client and holds one conversation at a time.

#include <optional>
#include <string>
#include <system_error>

#include <parley/lines.hpp>
#include <parley/listener.hpp>
#include <parley/printable.hpp>
#include <parley/session.hpp>

#include "chat/console.hpp"
#include "chat/conversation.hpp"
#include "chat/explain.hpp"
#include "chat/lobby.hpp"
#include "chat/outcome.hpp"
#include "chat/program.hpp"
#include "chat/reachable.hpp"
#include "chat/settings.hpp"

namespace {

using chat::exit_status;

struct server_settings : chat::settings {
  std::string bind;  ///< an address of this machine or unix:/path; empty: all addresses
  bool once = false;
};

/// Opens the door and tells where it is. False: it cannot be opened, which was told.
template <typename Listener>
bool open(Listener& door, chat::view& show, const server_settings& s) {
  if (const auto failed = chat::listen_on(door, s.bind, s.port)) {
    show.error("cannot listen on " + chat::place_text(s.bind, s.port) + ": " +
               chat::explain_no_listening(failed));
    return false;
  }
  show.listening(chat::reachable_at(door.endpoints().front()), s.plain ? "--plain " : "");
  return true;
}

template <typename Protocol>
asio::awaitable<exit_status> serve(chat::console& here, const server_settings& s) {
  using namespace asio::experimental::awaitable_operators;
  using listener_type = parley::basic_listener<Protocol>;
  auto options = here.peer_options(s);
  options.max_peers = 1;
  listener_type door(co_await asio::this_coro::executor, options);
  if (!open(door, here.show(), s)) co_return exit_status::unreachable;
  const auto then = s.once ? chat::afterwards::exits : chat::afterwards::waits_for_the_next;
  for (;;) {
    std::optional<typename listener_type::peer_type> caller;
    here.in.resume();
    co_await (chat::greet(door, here, caller) && chat::pass_time(here));
    if (!caller) co_return exit_status::delivered;
    chat::conversation talk(std::move(*caller), here, s, then);
    const chat::outcome outcome = co_await talk.run();
    if (s.once || here.leaving.asked() || outcome.broken_streams) co_return outcome.status();
    here.show().note("waiting for the next caller");
  }
}

asio::awaitable<exit_status> server(const server_settings& s) {
  chat::console here(co_await asio::this_coro::executor, s);
  auto status = exit_status::internal;
  if (s.plain)
    status = co_await serve<parley::lines>(here, s);
  else
    status = co_await serve<parley::session>(here, s);
  co_await here.settle();
  co_return status;
}

exit_status server_program(int argc, char** argv) {
  server_settings s;
  s.program = "parley-server";
  CLI::App app("Waits for a parley-client and holds one conversation at a time.");
  app.add_option("--bind", s.bind, "address to listen on, or unix:/path (default: all)")
      ->type_name("ADDR");
  app.add_option("--port", s.port, "port to listen on; 0 picks one (default: 7117)")
      ->type_name("N");
  app.add_flag("--once", s.once, "end after the first conversation, with its exit status");
  chat::declare(app, s);
  return chat::parse(app, s, argc, argv) ? chat::run(server(s), s.spin()) : exit_status::delivered;
}

}  // namespace

int main(int argc, char** argv) {
  return chat::run_program("parley-server", [&] { return server_program(argc, argv); });
}
