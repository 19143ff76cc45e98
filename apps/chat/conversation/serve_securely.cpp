#include <chrono>
#include <string>

#include <parley/tls.hpp>

#include "chat/conversation/lobby.hpp"
#include "chat/conversation/serving.hpp"
#include "chat/files/guests.hpp"
#include "chat/files/own_identity.hpp"
#include "chat/screen/console.hpp"

namespace chat {

namespace {

/// Invites one more to where the door is.
void invite(const parley::tls_listener& door, console& here, guests& who,
            const server_settings& s) {
  const auto until = std::chrono::system_clock::now() + s.invite_for();
  const auto at = reachable_at(door.endpoints().front()).front();
  const auto invitation = who.invite(*here.me, to_string(at), until);
  here.show().invitation(to_string(invitation), until);
}

asio::awaitable<exit_status> serve(console& here, const server_settings& s, const own_identity& me,
                                   guests& who) {
  here.me = me.id();
  parley::tls_listener door(co_await asio::this_coro::executor, door_options(here, s),
                            parley::tls_security(me.key, who.check(), who.invitations()));
  if (!open_door(door, here.show(), s)) co_return exit_status::unreachable;
  here.show().introduce(me.id(), me.made ? me.path : "");
  who.whenever([&here](const std::string& what) { here.show().tell(what); });
  if (who.invites()) invite(door, here, who, s);
  co_return co_await serve(door, here, s);
}

}  // namespace

exit_status serve_securely(const server_settings& s, const own_identity& me, guests& who) {
  return run_at_console(s, [&](console& here) { return serve(here, s, me, who); });
}

}  // namespace chat
