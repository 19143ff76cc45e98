// The programs on a terminal while the network fails: what a person sees of it.

#include <sys/wait.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <csignal>
#include <cstdint>
#include <string>
#include <string_view>

#include <parley/message.hpp>
#include <parley/options.hpp>

#include "support/fault_proxy.hpp"
#include "support/process.hpp"
#include "support/programs.hpp"

namespace absence_terminal_test {

using namespace parley::test;
using Catch::Matchers::ContainsSubstring;

namespace {

/// A person at a terminal who talks through a proxy to a program.
struct person_behind_proxy {
  person_behind_proxy() {
    me.read_until("connected to");
    me.write("hello\n");
    them.read_until("hello\n");
    ping();
  }

  /// Breaks the connection; none comes through until `proxy.allow()`.
  void cut() {
    proxy.refuse();
    proxy.strike(fault::reset);
    me.read_until("-- lost (connection reset by peer), trying again\r\n");
    me.read_until("-- still away (connection refused), trying again");
  }

  /// Types a line and waits for the answer to it; returns what is shown from there on.
  std::string ask(const std::string& line, std::string_view answer) {
    const auto before = me.output().size();
    me.write(line + "\n");
    while (me.output().find(answer, before) == std::string::npos) me.read_some();
    return me.output().substr(before);
  }

  /// After this all is known to be delivered that was shown at the other side: the answer says so.
  void ping() { ask("/ping", "-- round trip"); }

  void leave() {
    me.write("/quit\n");
    them.close_input();
    CHECK(me.finish() == 0);
    CHECK(them.finish() == 0);
  }

  process them{server_command({"--once"})};
  fault_proxy proxy{static_cast<std::uint16_t>(std::stoi(port_of(them)))};
  // No escape sequences, so that the lines are as they are written here.
  process me{words{"env", "TERM=dumb"} +
                 client_command(std::to_string(proxy.port()), {"--resume-for", "30"}),
             {},
             process::streams::terminal};
};

}  // namespace

TEST_CASE("on a terminal a loss and a return are shown, and a line typed meanwhile is marked") {
  person_behind_proxy talk;
  talk.cut();
  talk.ask("are you there?", "-- queued until the peer is back: 1 message\r\n");
  talk.ask("hello?", "-- queued until the peer is back: 2 messages\r\n");
  talk.proxy.allow();
  talk.me.read_until("-- back a");  // at once, or after some time
  talk.them.read_until("are you there?\nhello?\n");
  talk.them.write("here I am\n");
  talk.me.read_until("here I am\r\n");
  talk.leave();
  CHECK(talk.them.output() == "hello\nare you there?\nhello?\n");
  CHECK_THAT(talk.me.output(), !ContainsSubstring("sent again"));
}

TEST_CASE("/pending lists what was typed while away, and nothing once it is delivered") {
  person_behind_proxy talk;
  talk.ask("/pending", "-- everything is delivered\r\n");
  talk.cut();
  talk.ask("/pending", "-- everything is delivered\r\n");
  talk.ask("first", "queued until the peer is back: 1 message\r\n");
  talk.ask("second", "queued until the peer is back: 2 messages\r\n");
  const auto listed = talk.ask("/pending", "-- not sent: second\r\n");
  CHECK_THAT(listed, ContainsSubstring("-- 2 messages not delivered yet, 2 of them not sent yet"));
  CHECK_THAT(listed, ContainsSubstring("-- not sent: first\r\n"));
  talk.proxy.allow();
  talk.them.read_until("first\nsecond\n");
  talk.ping();
  talk.ask("/pending", "-- everything is delivered\r\n");
  talk.leave();
}

TEST_CASE("/pending tells what was sent from what was not, also when the connection breaks") {
  person_behind_proxy talk;
  const std::string text = "do you hear me?";
  talk.them.signal(SIGSTOP);
  int status = 0;
  REQUIRE(::waitpid(talk.them.pid(), &status, WUNTRACED) == talk.them.pid());
  const auto there = talk.proxy.bytes(direction::to_server);
  talk.me.write(text + "\n");
  REQUIRE(talk.proxy.wait_until([&](const proxy_counts& c) {
    return c.bytes(direction::to_server) >= there + parley::message_overhead + text.size();
  }));
  CHECK_THAT(talk.ask("/pending", "-- sent, not confirmed: " + text + "\r\n"),
             ContainsSubstring("-- 1 message not delivered yet, 0 of them not sent yet"));
  talk.cut();
  talk.ask("and now?", "-- queued until the peer is back: ");
  const auto listed = talk.ask("/pending", "-- not sent: and now?\r\n");
  CHECK_THAT(listed, ContainsSubstring("-- 2 messages not delivered yet, 1 of them not sent yet"));
  CHECK_THAT(listed, ContainsSubstring("-- sent, not confirmed: " + text + "\r\n"));
  talk.them.signal(SIGCONT);
  talk.proxy.allow();
  talk.them.read_until("and now?\n");
  talk.ping();
  talk.ask("/pending", "-- everything is delivered\r\n");
  talk.leave();
  CHECK(talk.them.output() == "hello\n" + text + "\nand now?\n");
}

TEST_CASE("commands are answered while the peer is away") {
  person_behind_proxy talk;
  talk.cut();
  talk.ask("/help", "/pending");
  talk.ask("/peer", "-- 127.0.0.1:");
  talk.ask("/stats", "-- sent 1 message (5 bytes)");
  talk.proxy.allow();
  talk.me.read_until("-- back a");
  talk.leave();
}

TEST_CASE("Ctrl-C twice while the peer is away ends the program at once with 130") {
  person_behind_proxy talk;
  talk.cut();
  talk.ask("never heard", "queued until the peer is back");
  talk.me.write("\x03");
  talk.me.read_until("Ctrl-C ends at once");
  talk.me.write("\x03");
  CHECK(talk.me.finish() == 130);
}

TEST_CASE("a loss for good is told on a terminal with the number of undelivered messages") {
  person_behind_proxy talk;
  const auto port = port_of(talk.them);
  talk.proxy.refuse();
  talk.them.signal(SIGKILL);
  talk.them.finish();
  talk.me.read_until("-- still away (connection refused)");
  talk.ask("for the old server alone", "queued until the peer is back: 1 message\r\n");
  process restarted({PARLEY_SERVER_PATH, "--bind", "127.0.0.1", "--port", port});
  CHECK(port_of(restarted) == port);
  talk.proxy.allow();
  CHECK(talk.me.finish() == 6);
  CHECK_THAT(talk.me.output(),
             ContainsSubstring("was it restarted?; 1 message not delivered (1 never sent)\r\n"));
}

}  // namespace absence_terminal_test
