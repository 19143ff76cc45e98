// parley-client: joins a parley-server for one conversation.

#include <optional>
#include <string>

#include <parley/invitation.hpp>
#include <parley/printable.hpp>

#include "chat/conversation/joining.hpp"
#include "chat/files/invitation.hpp"
#include "chat/files/own_identity.hpp"
#include "chat/program/address.hpp"
#include "chat/program/outcome.hpp"
#include "chat/program/program.hpp"
#include "chat/program/prompt.hpp"
#include "chat/program/settings.hpp"

namespace {

using chat::exit_status;

exit_status client_program(int argc, char** argv) {
  chat::client_settings s;
  s.program = "parley-client";
  CLI::App app("Joins a parley-server and talks to whoever is there.");
  std::string host;
  app.add_option("HOST", host, "HOST[:PORT], [IPV6]:PORT or unix:/path; asked for if left out")
      ->type_name("");
  const auto* const port =
      app.add_option("--port", s.port, "port of the server (default: 7117)")->type_name("N");
  app.add_flag("--wait", s.wait, "wait for a server that is not there yet or busy")
      ->type_name("[=SECONDS]");
  app.add_option("--peer-id", s.peer_id, "the identity that the server must have")->type_name("ID");
  app.add_flag("--strict", s.strict, "refuse a server that is not known");
  app.add_option("--invite", s.invite,
                 "the invitation to come with; - asks for it, @FILE reads it from there")
      ->type_name("INVITATION")
      ->envname("PARLEY_INVITATION");
  chat::declare(app, s);
  if (!chat::parse(app, s, argc, argv)) return exit_status::delivered;
  if (s.print_id) return chat::print_identity(chat::load_identity(s.program));
  (void)s.wait_for();
  if (s.plain && (s.strict || !s.peer_id.empty() || app.get_option("--invite")->count() != 0))
    throw chat::usage_error("--plain knows nobody: no --peer-id, --strict or --invite with it");
  std::optional<parley::invitation> invitation;
  if (!s.plain && !s.invite.empty()) invitation = chat::find_invitation(s.invite);
  if (s.port == 0) throw chat::usage_error("--port: a server's port is 1 to 65535");
  if (host.empty()) host = invitation ? invitation->address : chat::ask_for_server();
  s.server = chat::parse_address(host, s.port);
  if (port->count() != 0 && s.server.port != s.port)
    throw chat::usage_error("--port contradicts '" + parley::printable(host) + "'");
  if (s.plain) return chat::run(chat::join(s, nullptr), s.spin());
  const auto t = chat::terms_for(s, invitation);
  return chat::run(chat::join(s, &t), s.spin());
}

}  // namespace

int main(int argc, char** argv) {
  return chat::run_program("parley-client", [&] { return client_program(argc, argv); });
}
