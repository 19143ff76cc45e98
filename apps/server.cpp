// parley-server: waits for a parley-client and holds one conversation at a time.

#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <parley/lines.hpp>
#include <parley/listener.hpp>
#include <parley/tls.hpp>

#include "chat/console.hpp"
#include "chat/conversation.hpp"
#include "chat/explain.hpp"
#include "chat/guests.hpp"
#include "chat/lobby.hpp"
#include "chat/outcome.hpp"
#include "chat/own_identity.hpp"
#include "chat/program.hpp"
#include "chat/reachable.hpp"
#include "chat/settings.hpp"

namespace {

using chat::exit_status;

struct server_settings : chat::settings {
  std::string bind;  ///< an address of this machine or unix:/path; empty: all addresses
  bool once = false;
  std::vector<std::string> allow;  ///< identities, and files of them; empty: everybody
  std::string invite;              ///< for so many seconds; empty: nobody

  /// How long an invitation is good.
  [[nodiscard]] std::chrono::milliseconds invite_for() const {
    return invite == unstated ? std::chrono::hours(24) : chat::seconds_in("--invite", invite);
  }
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

/// Waits for callers at an open door, and talks to one after the other.
template <typename Listener>
asio::awaitable<exit_status> serve(Listener& door, chat::console& here, const server_settings& s) {
  using namespace asio::experimental::awaitable_operators;
  const auto then = s.once ? chat::afterwards::exits : chat::afterwards::waits_for_the_next;
  for (;;) {
    std::optional<typename Listener::peer_type> caller;
    here.in.resume();
    co_await (chat::greet(door, here, caller) && chat::pass_time(here));
    if (!caller) co_return exit_status::delivered;
    chat::conversation talk(std::move(*caller), here, s, then);
    const chat::outcome outcome = co_await talk.run();
    if (s.once || here.leaving.asked() || outcome.broken_streams) co_return outcome.status();
    here.show().note("waiting for the next caller");
  }
}

/// Invites one more to where the door is.
template <typename Listener>
void invite(const Listener& door, chat::console& here, chat::guests& guests,
            const server_settings& s) {
  const auto until = std::chrono::system_clock::now() + s.invite_for();
  const auto at = chat::reachable_at(door.endpoints().front()).front();
  const auto invitation = guests.invite(*here.me, to_string(at), until);
  here.show().invitation(to_string(invitation), chat::date_and_time(until));
}

parley::options door_options(const chat::console& here, const server_settings& s) {
  auto o = here.peer_options(s);
  o.max_peers = 1;
  return o;
}

asio::awaitable<exit_status> serve_plainly(chat::console& here, const server_settings& s) {
  parley::basic_listener<parley::lines> door(co_await asio::this_coro::executor,
                                             door_options(here, s));
  if (!open(door, here.show(), s)) co_return exit_status::unreachable;
  co_return co_await serve(door, here, s);
}

asio::awaitable<exit_status> serve_securely(chat::console& here, const server_settings& s,
                                            const chat::own_identity& me, chat::guests& guests) {
  here.me = me.id();
  parley::tls_listener door(co_await asio::this_coro::executor, door_options(here, s),
                            guests.security(me.key));
  if (!open(door, here.show(), s)) co_return exit_status::unreachable;
  here.show().introduce(me.id(), me.made ? me.path : "");
  guests.whenever([&here](const std::string& what) { here.show().tell(what); });
  if (guests.invites()) invite(door, here, guests, s);
  co_return co_await serve(door, here, s);
}

/// `me` and `guests` where it is not to be plain.
asio::awaitable<exit_status> server(const server_settings& s, const chat::own_identity* me,
                                    chat::guests* guests) {
  chat::console here(co_await asio::this_coro::executor, s);
  auto status = exit_status::internal;
  if (me == nullptr)
    status = co_await serve_plainly(here, s);
  else
    status = co_await serve_securely(here, s, *me, *guests);
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
  app.add_option("--allow", s.allow, "let in only this identity, or those in this file; repeatable")
      ->type_name("ID|FILE")
      ->allow_extra_args(false);
  app.add_flag("--invite", s.invite, "let in only who brings the invitation that is printed")
      ->type_name("[=SECONDS]");
  chat::declare(app, s);
  if (!chat::parse(app, s, argc, argv)) return exit_status::delivered;
  const bool invites = !s.invite.empty();
  if (invites) (void)s.invite_for();
  if (s.plain && (invites || !s.allow.empty()))
    throw chat::usage_error("--plain knows nobody, so it goes with neither --allow nor --invite");
  if (s.plain) return chat::run(server(s, nullptr, nullptr), s.spin());
  const auto me = chat::load_identity(s.program);
  if (s.print_id) return chat::print_identity(me);
  chat::guests guests(s.allow, invites);
  return chat::run(server(s, &me, &guests), s.spin());
}

}  // namespace

int main(int argc, char** argv) {
  return chat::run_program("parley-server", [&] { return server_program(argc, argv); });
}
