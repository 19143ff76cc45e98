// parley-client: joins a parley-server for one conversation.

#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/lines.hpp>
#include <parley/printable.hpp>
#include <parley/session.hpp>

#include "chat/address.hpp"
#include "chat/console.hpp"
#include "chat/conversation.hpp"
#include "chat/dialing.hpp"
#include "chat/explain.hpp"
#include "chat/outcome.hpp"
#include "chat/program.hpp"
#include "chat/settings.hpp"

namespace {

using chat::exit_status;

struct client_settings : chat::settings {
  chat::address server;
  std::string wait;  ///< seconds; empty: not at all

  /// How long to go on trying until there is a server.
  [[nodiscard]] std::chrono::milliseconds wait_for() const {
    if (wait.empty()) return std::chrono::milliseconds(0);
    if (wait == forever) return std::chrono::hours(24 * 365);
    double seconds = -1;
    const auto end = wait.data() + wait.size();
    const auto [at, bad] = std::from_chars(wait.data(), end, seconds);
    chat::check_seconds("--wait", bad == std::errc() && at == end ? seconds : -1);
    return milliseconds_of(seconds);
  }

  static constexpr std::string_view forever = "true";  // as CLI11 says of a flag alone
};

/// Asks the person at the terminal which server to join, where there is a person.
std::string ask_for_server() {
  if (::isatty(STDIN_FILENO) == 0) throw chat::usage_error("HOST is missing: which server to join");
  std::fputs("Enter server IP: ", stderr);
  std::string answer;
  // One by one: what is typed ahead belongs to the conversation.
  for (char c = 0; ::read(STDIN_FILENO, &c, 1) == 1 && c != '\n';) answer += c;
  const auto first = answer.find_first_not_of(" \t");
  if (first == answer.npos) throw chat::usage_error("HOST is missing: no server was entered");
  return answer.substr(first, answer.find_last_not_of(" \t") + 1 - first);
}

template <typename Protocol>
asio::awaitable<exit_status> join(chat::console& here, const client_settings& s) {
  here.show().connecting(s.server);
  std::error_code why;
  auto options = here.peer_options(s);
  options.wait_for = s.wait_for();
  auto peer = co_await chat::dial<Protocol>(s.server, here.leaving, options, why);
  if (!peer) {
    const std::string where = parley::printable(to_string(s.server));
    here.show().error("cannot join " + where + ": " + chat::explain_no_connection(why));
    co_return chat::status_of_failed_dial(why);
  }
  chat::conversation talk(std::move(*peer), here, s, chat::afterwards::exits);
  const chat::outcome outcome = co_await talk.run();
  co_return outcome.status();
}

asio::awaitable<exit_status> client(const client_settings& s) {
  chat::console here(co_await asio::this_coro::executor, s);
  auto status = exit_status::internal;
  if (s.plain)
    status = co_await join<parley::lines>(here, s);
  else
    status = co_await join<parley::session>(here, s);
  co_await here.settle();
  co_return status;
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
  chat::declare(app, s);
  if (!chat::parse(app, s, argc, argv)) return exit_status::delivered;
  (void)s.wait_for();
  if (s.port == 0) throw chat::usage_error("--port: a server's port is 1 to 65535");
  if (host.empty()) host = ask_for_server();
  s.server = chat::parse_address(host, s.port);
  if (port->count() != 0 && s.server.port != s.port)
    throw chat::usage_error("--port contradicts '" + parley::printable(host) + "'");
  return chat::run(client(s), s.spin());
}

}  // namespace

int main(int argc, char** argv) {
  return chat::run_program("parley-client", [&] { return client_program(argc, argv); });
}
