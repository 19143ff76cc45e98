// parley-server: waits for a parley-client and holds one conversation at a time.

#include "chat/conversation/serving.hpp"
#include "chat/files/guests.hpp"
#include "chat/files/own_identity.hpp"
#include "chat/program/command_line.hpp"
#include "chat/program/outcome.hpp"
#include "chat/program/program.hpp"

namespace {

using chat::exit_status;

exit_status server_program(int argc, char** argv) {
  const auto parsed = chat::parse_server_settings(argc, argv);
  if (!parsed) return exit_status::delivered;
  const auto& s = *parsed;
  if (s.print_id) return chat::print_identity(chat::load_identity(s.program));
  const bool invites = !s.invite.empty();
  if (invites) (void)s.invite_for();
  if (s.plain && (invites || !s.allow.empty()))
    throw chat::usage_error("--plain knows nobody, so it goes with neither --allow nor --invite");
  if (s.plain) return chat::serve_plainly(s);
  const auto me = chat::load_identity(s.program);
  chat::guests guests(s.allow, invites);
  return chat::serve_securely(s, me, guests);
}

}  // namespace

int main(int argc, char** argv) {
  return chat::run_program("parley-server", [&] { return server_program(argc, argv); });
}
