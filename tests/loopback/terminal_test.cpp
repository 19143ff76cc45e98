// The programs on a terminal, as a person has them: a pseudo-terminal of their own.

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "support/process.hpp"
#include "support/programs.hpp"
#include "support/vt500.hpp"

namespace terminal_test {

using namespace parley::test;
using Catch::Matchers::ContainsSubstring;

namespace {

/// On a terminal that knows no escape sequences: every one in the output is then the peer's.
words on_dumb_terminal(const words& command) { return words{"env", "TERM=dumb"} + command; }

}  // namespace

TEST_CASE("without a host the client asks for the server's address") {
  process server(server_command({"--once"}));
  const auto port = port_of(server);
  process client(on_dumb_terminal({PARLEY_CLIENT_PATH, "--port", port}), {},
                 process::streams::terminal);
  client.read_until("Enter server IP: ");
  client.write("127.0.0.1\nhello\n");
  server.read_until("hello\n");
  client.write("/quit\n");
  server.close_input();
  CHECK(client.finish() == 0);
  CHECK(server.finish() == 0);
}

TEST_CASE("a chat on a terminal: lines go out, messages come in on lines of their own") {
  process server(server_command({"--once", "--name", "alice"}));
  process client(on_dumb_terminal(client_command(port_of(server))), {}, process::streams::terminal);
  client.read_until("connected");
  client.write("hello alice\n");
  server.read_until("hello alice\n");
  server.write("hello yourself\n");
  // The time in front, the sender's name and identity, then the text to the line's end.
  client.read_until("alice~");
  client.read_until(": hello yourself\r\n");
  client.write("\x04");  // Ctrl-D on an empty line leaves
  server.close_input();
  CHECK(client.finish() == 0);
  CHECK(server.finish() == 0);
  CHECK(server.output() == "hello alice\n");
}

TEST_CASE("commands are obeyed, not sent; two slashes send one; an unknown one is never sent") {
  process server(server_command({"--once"}));
  process client(on_dumb_terminal(client_command(port_of(server))), {}, process::streams::terminal);
  client.read_until("connected");
  client.write("/help\n");
  client.read_until("/pending");
  client.write("/nonsense\n/stats\n//home\n");
  server.read_until("/home\n");
  client.write("/quit\n");
  server.close_input();
  CHECK(client.finish() == 0);
  CHECK(server.finish() == 0);
  CHECK(server.output() == "/home\n");
  CHECK_THAT(client.output(), ContainsSubstring("-- sent 0 messages"));
}

TEST_CASE("what a peer sends cannot drive the terminal") {
  process server(server_command({"--once", "--name",
                                 "eve\xc2\x9b"
                                 "31m"}));
  process client(on_dumb_terminal(client_command(port_of(server))), {}, process::streams::terminal);
  client.read_until("connected");
  server.write(
      "\x1b[2J\x1b]0;title\x07 \xc2\x9b"
      "31m \x1b"
      "Pq\x1b\\ \xff\x90 \b\b\r over\n");
  client.read_until(" over\r\n");
  client.write("/quit\n");
  server.close_input();
  CHECK(client.finish() == 0);
  server.finish();
  // Echo aside, which the terminal makes of what is typed, all of this is the program's.
  vt500 terminal;
  std::string shown = client.output();
  std::erase(shown, '\r');  // the terminal's own, before each line feed
  terminal.feed(shown);
  CHECK_FALSE(terminal.left_ground());
  CHECK(terminal.stray_bytes() == 0);
}

TEST_CASE("Ctrl-C on a terminal says that it leaves, a second one ends at once with 130") {
  process server(server_command({"--once"}));
  process client(on_dumb_terminal(client_command(port_of(server))), {}, process::streams::terminal);
  client.write("hello\n");
  server.read_until("hello\n");
  server.signal(SIGSTOP);  // so that no goodbye comes back
  client.write("\x03");
  client.read_until("Ctrl-C ends at once");
  client.write("\x03");
  CHECK(client.finish() == 130);
}

}  // namespace terminal_test
