// What the two programs understand. All of CLI11 is compiled here, and nowhere else.

#include "chat/program/command_line.hpp"

#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include <parley/options.hpp>
#include <parley/printable.hpp>
#include <parley/utf8.hpp>
#include <parley/version.hpp>

#include "chat/program/outcome.hpp"
#include "chat/program/settings.hpp"

namespace chat {

namespace {

/// Declares the options that both programs have; what is parsed goes to `s`.
void declare(CLI::App& app, settings& s) {
  app.name(s.program);
  app.set_version_flag("--version", s.program + " " PARLEY_VERSION);
  app.add_option("--name", s.name, "how to introduce this side to the peer");
  app.add_flag("--plain", s.plain, "lines of UTF-8, not encrypted, for nc, telnet and the like");
  app.add_flag("--print-id", s.print_id, "print this side's identity and end");
  app.add_flag("--json", s.json, "write one JSON object a line to stdout");
  app.add_option("--linger", s.linger_seconds,
                 "how long to listen on when all input is delivered (default: no limit)")
      ->type_name("SECONDS");
  app.add_option("--resume-for", s.resume_seconds,
                 "how long to wait for a lost connection to come back (default: 600)")
      ->type_name("SECONDS");
  app.add_flag("--low-latency", s.low_latency,
               "answer sooner, at the price of more processor time");
  app.add_option("--color", s.color, "whether a terminal shows colors (default: auto)")
      ->type_name("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}));
}

/// Parses the command line. False: it asked for the help or the version, which was printed.
/// Throws `usage_error`.
bool parse(CLI::App& app, const settings& s, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    app.exit(asked);
    return false;
  } catch (const CLI::ParseError& e) {
    throw usage_error(parley::printable(e.what()));
  }
  if (app.get_option("--linger")->count() != 0) check_seconds("--linger", s.linger_seconds);
  check_seconds("--resume-for", s.resume_seconds);
  if (s.name.size() > parley::max_name || !parley::is_utf8(s.name))
    throw usage_error("--name takes at most 64 bytes of UTF-8");
  return true;
}

}  // namespace

std::optional<client_settings> parse_client_settings(int argc, const char* const* argv) {
  client_settings s;
  s.program = "parley-client";
  CLI::App app("Joins a parley-server and talks to whoever is there.");
  app.add_option("HOST", s.host, "HOST[:PORT], [IPV6]:PORT or unix:/path; asked for if left out")
      ->type_name("");
  const auto* const port =
      app.add_option("--port", s.port, "port of the server (default: 7117)")->type_name("N");
  app.add_flag("--wait", s.wait, "wait for a server that is not there yet or busy")
      ->type_name("[=SECONDS]");
  app.add_option("--peer-id", s.peer_id, "the identity that the server must have")->type_name("ID");
  app.add_flag("--strict", s.strict, "refuse a server that is not known");
  const auto* const invite =
      app.add_option("--invite", s.invite,
                     "the invitation to come with; - asks for it, @FILE reads it from there")
          ->type_name("INVITATION")
          ->envname("PARLEY_INVITATION");
  declare(app, s);
  if (!parse(app, s, argc, argv)) return std::nullopt;
  s.port_stated = port->count() != 0;
  s.invite_stated = invite->count() != 0;
  return s;
}

std::optional<server_settings> parse_server_settings(int argc, const char* const* argv) {
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
  declare(app, s);
  if (!parse(app, s, argc, argv)) return std::nullopt;
  return s;
}

}  // namespace chat
