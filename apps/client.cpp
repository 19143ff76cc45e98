// parley-client: joins a parley-server for one conversation.

#include <optional>
#include <string>

#include <parley/invitation.hpp>
#include <parley/printable.hpp>

#include "chat/conversation/joining.hpp"
#include "chat/files/invitation.hpp"
#include "chat/files/own_identity.hpp"
#include "chat/files/terms.hpp"
#include "chat/program/address.hpp"
#include "chat/program/command_line.hpp"
#include "chat/program/outcome.hpp"
#include "chat/program/program.hpp"
#include "chat/program/prompt.hpp"

namespace {

using chat::exit_status;

exit_status client_program(int argc, char** argv) {
  auto parsed = chat::parse_client_settings(argc, argv);
  if (!parsed) return exit_status::delivered;
  auto& s = *parsed;
  if (s.print_id) return chat::print_identity(chat::load_identity(s.program));
  (void)s.wait_for();
  if (s.plain && (s.strict || !s.peer_id.empty() || s.invite_stated))
    throw chat::usage_error("--plain knows nobody: no --peer-id, --strict or --invite with it");
  std::optional<parley::invitation> invitation;
  if (!s.plain && !s.invite.empty()) invitation = chat::find_invitation(s.invite);
  if (s.port == 0) throw chat::usage_error("--port: a server's port is 1 to 65535");
  if (s.host.empty()) s.host = invitation ? invitation->address : chat::ask_for_server();
  s.server = chat::parse_address(s.host, s.port);
  if (s.port_stated && s.server.port != s.port)
    throw chat::usage_error("--port contradicts '" + parley::printable(s.host) + "'");
  if (s.plain) return chat::join_plainly(s);
  const auto t = chat::terms_for(s, invitation);
  return chat::join_securely(s, t);
}

}  // namespace

int main(int argc, char** argv) {
  return chat::run_program("parley-client", [&] { return client_program(argc, argv); });
}
