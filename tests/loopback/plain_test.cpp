// --plain against peers that know nothing of parley: nc, Python, a raw socket, and itself.

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "support/process.hpp"
#include "support/programs.hpp"

namespace plain_test {

using namespace parley::test;
using Catch::Matchers::ContainsSubstring;

namespace {

const std::string nothing = "/dev/null";

bool installed(const std::string& program) {
  process which({"sh", "-c", "command -v " + program}, {nothing, ""});
  return which.finish() == 0;
}

/// The classroom chat's side of things: twenty lines with a socket and two threads.
const std::string python_peer = R"(
import socket, sys, threading

peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))

def receive():
    for line in peer.makefile(encoding="utf-8"):
        print(line, end="", flush=True)

receiver = threading.Thread(target=receive)
receiver.start()
for line in sys.stdin:
    peer.sendall(line.encode("utf-8"))
peer.shutdown(socket.SHUT_WR)
receiver.join()
)";

/// Sends the pieces that its arguments name in hex, each as a TCP segment of its own.
const std::string segments = R"(
import socket, sys, time

peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for piece in sys.argv[2:]:
    peer.sendall(bytes.fromhex(piece))
    # The next piece goes out when this one has been taken: TIOCOUTQ counts what has not.
    import fcntl, struct, termios
    while struct.unpack("i", fcntl.ioctl(peer, termios.TIOCOUTQ, bytes(4)))[0]:
        time.sleep(0)
peer.shutdown(socket.SHUT_WR)
peer.recv(1)
)";

}  // namespace

TEST_CASE("plain lines go both ways between nc and the server") {
  if (!installed("nc")) SKIP("nc is not installed");
  process server(server_command({"--once", "--plain"}));
  process nc({"nc", "-N", "127.0.0.1", port_of(server)});
  nc.write("hello from nc\n");
  server.read_until("hello from nc\n");
  server.write("grüße\n");
  nc.read_until("grüße\n");
  server.close_input();
  nc.close_input();
  CHECK(nc.finish() == 0);
  CHECK(server.finish() == 0);
  CHECK(server.output() == "hello from nc\n");
  CHECK(nc.output() == "grüße\n");
}

TEST_CASE("the client talks plain lines to a listening nc") {
  if (!installed("nc")) SKIP("nc is not installed");
  process nc({"nc", "-n", "-v", "-N", "-l", "127.0.0.1", "0"});
  process client(client_command(port_of(nc, "Listening on 127.0.0.1 "), {"--plain"}));
  client.write("from the client\n");
  nc.read_until("from the client\n");
  nc.write("from nc\n");
  client.read_until("from nc\n");
  nc.close_input();
  client.close_input();
  CHECK(client.finish() == 0);
  CHECK(nc.finish() == 0);
}

TEST_CASE("a Python socket script of twenty lines is a peer") {
  process server(server_command({"--once", "--plain"}));
  process python({"python3", "-c", python_peer, port_of(server)});
  python.write("hello from Python\n");
  server.read_until("hello from Python\n");
  server.write("日本語\n");
  python.read_until("日本語\n");
  python.close_input();
  server.close_input();
  CHECK(python.finish() == 0);
  CHECK(server.finish() == 0);
}

TEST_CASE("plain lines between the two programs are byte-identical") {
  const scratch folder;
  std::string lines;
  for (int i = 0; i < 50'000; ++i) lines += "line " + std::to_string(i) + " with grüße\n";
  write_file(folder / "in", lines);
  process server(server_command({"--once", "--plain"}), {folder / "in", folder / "server"});
  process client(client_command(port_of(server), {"--plain"}), {folder / "in", folder / "client"});
  CHECK(client.finish() == 0);
  CHECK(server.finish() == 0);
  CHECK(read_file(folder / "server") == lines);
  CHECK(read_file(folder / "client") == lines);
}

TEST_CASE("a character cut between two TCP segments arrives whole") {
  process server(server_command({"--once", "--plain"}), {nothing, ""});
  // The euro sign, e2 82 ac, cut after each byte; then a line end cut between CR and LF.
  process peer({"python3", "-c", segments, port_of(server), "61e2", "82", "ac0a620d", "0a"});
  CHECK(server.finish() == 0);
  CHECK(peer.finish() == 0);
  CHECK(server.output() == "a€\nb\n");
}

TEST_CASE("a line that is not UTF-8 is a clear error and the conversation goes on") {
  process server(server_command({"--once", "--plain"}), {nothing, ""});
  process peer({"python3", "-c", segments, port_of(server), "6f6b0a", "fffe0a", "7374696c6c0a"});
  CHECK(server.finish() == 0);
  CHECK(peer.finish() == 0);
  CHECK(server.output() == "ok\nstill\n");
  CHECK_THAT(server.errors(), ContainsSubstring("UTF-8"));
}

TEST_CASE("a typed line that is not UTF-8 is not sent in plain mode, and counted") {
  process server(server_command({"--once", "--plain"}), {nothing, ""});
  process client(client_command(port_of(server), {"--plain"}));
  client.write("ok\n\xff\nstill\n");
  client.close_input();
  CHECK(client.finish() == 4);
  CHECK(server.finish() == 0);
  CHECK(server.output() == "ok\nstill\n");
  CHECK_THAT(client.errors(), ContainsSubstring("line 2"));
  CHECK_THAT(client.errors(), ContainsSubstring("1 message not delivered"));
}

TEST_CASE("a plain and a framed side tell each other's users what is wrong") {
  SECTION("a framed client at a plain server") {
    process server(server_command({"--once", "--plain"}), {nothing, ""});
    process client(client_command(port_of(server)), {nothing, ""});
    CHECK(client.finish() != 0);
    CHECK(server.finish() != 0);
    CHECK_THAT(server.errors(), ContainsSubstring("--plain"));
    CHECK_THAT(client.errors(), ContainsSubstring("--plain"));
  }
  SECTION("a plain client at a framed server") {
    process server(server_command({"--once"}), {nothing, ""});
    process client(client_command(port_of(server), {"--plain"}));
    client.write("hello, is anybody there?\n");
    CHECK_THAT(server.read_errors_until("--plain"), ContainsSubstring("127.0.0.1"));
    CHECK(client.finish() == 5);
    CHECK(client.output() == "parley: this side speaks TLS only\n");
    CHECK_THAT(client.errors(), ContainsSubstring("turned this side away"));
  }
}

}  // namespace plain_test
