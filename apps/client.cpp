// parley-client: joins a parley-server for one conversation.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include <parley/invitation.hpp>
#include <parley/lines.hpp>
#include <parley/printable.hpp>
#include <parley/session.hpp>
#include <parley/tls.hpp>

#include "chat/acquaintances.hpp"
#include "chat/address.hpp"
#include "chat/console.hpp"
#include "chat/conversation.hpp"
#include "chat/dialing.hpp"
#include "chat/explain.hpp"
#include "chat/outcome.hpp"
#include "chat/own_files.hpp"
#include "chat/own_identity.hpp"
#include "chat/program.hpp"
#include "chat/settings.hpp"

namespace {

using chat::exit_status;

struct client_settings : chat::settings {
  chat::address server;
  std::string wait;     ///< seconds; empty: not at all
  std::string peer_id;  ///< whom to take for the server; empty: whom it was before
  std::string invite;   ///< an invitation, or where one is
  bool strict = false;

  /// How long to go on trying until there is a server.
  [[nodiscard]] std::chrono::milliseconds wait_for() const {
    if (wait.empty()) return std::chrono::milliseconds(0);
    if (wait == unstated) return std::chrono::hours(24 * 365);
    return chat::seconds_in("--wait", wait);
  }
};

/// What this side is to prove, and what the server must be.
struct terms {
  chat::own_identity me;
  chat::acquaintances known;
  std::optional<parley::invitation_secret> invited;
};

/// A line that a person enters; none where there is no person.
std::optional<std::string> ask(const char* what) {
  if (::isatty(STDIN_FILENO) == 0) return std::nullopt;
  std::fputs(what, stderr);
  std::string answer;
  // One by one: what is typed ahead belongs to the conversation.
  for (char c = 0; ::read(STDIN_FILENO, &c, 1) == 1 && c != '\n';) answer += c;
  const auto first = std::min(answer.find_first_not_of(" \t"), answer.size());
  return answer.substr(first, answer.find_last_not_of(" \t") + 1 - first);
}

/// Asks the person at the terminal which server to join, where there is a person.
std::string ask_for_server() {
  const auto answer = ask("Enter server IP: ");
  if (!answer) throw chat::usage_error("HOST is missing: which server to join");
  if (answer->empty()) throw chat::usage_error("HOST is missing: no server was entered");
  return *answer;
}

/// The invitation that `--invite` or the environment names. A secret on the command line can be
/// seen by everybody on this machine, so there are other ways.
parley::invitation find_invitation(std::string text) {
  if (text == "-") {
    const auto answer = ask("Enter invitation: ");
    if (!answer) throw chat::usage_error("--invite -: there is no terminal to enter it at");
    text = *answer;
  } else if (text.starts_with("@")) {
    const std::string path = text.substr(1);
    const auto file = chat::own_files::read(path, chat::own_files::readers::anybody);
    if (!file) throw chat::usage_error("--invite: there is no file " + parley::printable(path));
    text = file->substr(0, file->find_first_of("\r\n"));
  }
  const auto found = parley::parse_invitation(text);
  if (!found)  // not shown: it may be nearly right, and secret
    throw chat::usage_error("--invite: this is no invitation, or it was not copied as a whole");
  return *found;
}

/// Talks to the server that `connect` reaches. `explain` says what is special about an error.
template <typename Protocol, typename Connector, typename Explain, typename Met>
asio::awaitable<exit_status> join(chat::console& here, const client_settings& s, Connector connect,
                                  Explain explain, Met met) {
  here.show().connecting(s.server);
  auto options = here.peer_options(s);
  options.wait_for = s.wait_for();
  chat::no_peer failed;
  auto peer = co_await chat::dial<Protocol>(std::move(connect), here.leaving, options, failed);
  if (!peer) {
    const std::string where = parley::printable(to_string(s.server));
    here.show().error("cannot join " + where + ": " + explain(failed));
    co_return chat::status_of_failed_dial(failed.why);
  }
  met(*peer);
  chat::conversation talk(std::move(*peer), here, s, chat::afterwards::exits);
  const chat::outcome outcome = co_await talk.run();
  co_return outcome.status();
}

asio::awaitable<exit_status> join_plainly(chat::console& here, const client_settings& s) {
  const auto explain = [](const chat::no_peer& f) { return chat::explain_no_connection(f.why); };
  const auto met = [](const auto&) {};
  chat::connector connect{s.server};
  co_return co_await join<parley::lines>(here, s, connect, explain, met);
}

asio::awaitable<exit_status> join_securely(chat::console& here, const client_settings& s,
                                           const terms& t) {
  here.me = t.me.id();
  if (t.me.made) here.show().introduce(t.me.id(), t.me.path);
  const auto explain = [&t](const chat::no_peer& f) {
    if (const auto special = t.known.explain(f.why)) return *special;
    if (f.why == parley::errc::tls_refused)
      return chat::reason_text(f.why) + "; whoever runs it can --allow " + to_string(t.me.id());
    return chat::explain_no_connection(f.why) + (f.words.empty() ? "" : " (" + f.words + ")");
  };
  const auto met = [&](const auto& peer) {
    try {
      if (const auto news = t.known.met(*peer.identity())) here.show().tell(*news);
    } catch (const chat::file_error& e) {
      here.show().error(std::string(e.what()) + "; the server will be new here next time too");
    }
  };
  const parley::tls_connector<chat::connector> connect(chat::connector{s.server}, t.me.key,
                                                       t.known.check(), t.invited);
  co_return co_await join<parley::session>(here, s, connect, explain, met);
}

/// `t` where it is not to be plain.
asio::awaitable<exit_status> client(const client_settings& s, const terms* t) {
  chat::console here(co_await asio::this_coro::executor, s);
  auto status = exit_status::internal;
  if (t == nullptr)
    status = co_await join_plainly(here, s);
  else
    status = co_await join_securely(here, s, *t);
  co_await here.settle();
  co_return status;
}

/// The terms for joining that server.
terms terms_for(const client_settings& s, const std::optional<parley::invitation>& invitation) {
  std::optional<parley::identity> pinned;
  std::string by = "--peer-id";
  if (!s.peer_id.empty()) {
    pinned = parley::parse_identity(s.peer_id);
    if (!pinned)
      throw chat::usage_error("--peer-id: '" + parley::printable(s.peer_id) +
                              "' is no identity, or was mistyped");
  }
  std::optional<parley::invitation_secret> secret;
  if (invitation) {
    if (pinned && *pinned != invitation->listener)
      throw chat::usage_error("--peer-id contradicts the invitation");
    if (!pinned) by = "the invitation";
    pinned = invitation->listener;
    secret = invitation->secret;
  }
  return {chat::load_identity(s.program), chat::acquaintances(s.server, pinned, by, s.strict),
          secret};
}

exit_status client_program(int argc, char** argv) {
  client_settings s;
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
  if (s.print_id && !s.plain) return chat::print_identity(chat::load_identity(s.program));
  (void)s.wait_for();
  if (s.plain && (s.strict || !s.peer_id.empty() || app.get_option("--invite")->count() != 0))
    throw chat::usage_error("--plain knows nobody: no --peer-id, --strict or --invite with it");
  std::optional<parley::invitation> invitation;
  if (!s.plain && !s.invite.empty()) invitation = find_invitation(s.invite);
  if (s.port == 0) throw chat::usage_error("--port: a server's port is 1 to 65535");
  if (host.empty()) host = invitation ? invitation->address : ask_for_server();
  s.server = chat::parse_address(host, s.port);
  if (port->count() != 0 && s.server.port != s.port)
    throw chat::usage_error("--port contradicts '" + parley::printable(host) + "'");
  if (s.plain) return chat::run(client(s, nullptr), s.spin());
  const auto t = terms_for(s, invitation);
  return chat::run(client(s, &t), s.spin());
}

}  // namespace

int main(int argc, char** argv) {
  return chat::run_program("parley-client", [&] { return client_program(argc, argv); });
}
