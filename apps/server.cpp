// parley-server: waits for a parley-client and holds one conversation at a time.

#include <string>

#include "chat/conversation/serving.hpp"
#include "chat/files/guests.hpp"
#include "chat/files/own_identity.hpp"
#include "chat/program/outcome.hpp"
#include "chat/program/program.hpp"
#include "chat/program/settings.hpp"

namespace {

using chat::exit_status;

exit_status server_program(int argc, char** argv) {
  chat::server_settings s;
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
  if (s.print_id) return chat::print_identity(chat::load_identity(s.program));
  const bool invites = !s.invite.empty();
  if (invites) (void)s.invite_for();
  if (s.plain && (invites || !s.allow.empty()))
    throw chat::usage_error("--plain knows nobody, so it goes with neither --allow nor --invite");
  if (s.plain) return chat::run(chat::serve(s, nullptr, nullptr), s.spin());
  const auto me = chat::load_identity(s.program);
  chat::guests guests(s.allow, invites);
  return chat::run(chat::serve(s, &me, &guests), s.spin());
}

}  // namespace

int main(int argc, char** argv) {
  return chat::run_program("parley-server", [&] { return server_program(argc, argv); });
}
