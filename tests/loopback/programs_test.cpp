// The real programs as processes on real sockets: pipes, exit statuses, errors, signals.

#include <asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "support/ports.hpp"
#include "support/process.hpp"
#include "support/programs.hpp"

namespace programs_test {

using namespace parley::test;
using Catch::Matchers::ContainsSubstring;

namespace {

#ifdef PARLEY_SANITIZED
constexpr std::size_t bulk_lines = 10'000;  // the programs are some ten times slower then
#else
constexpr std::size_t bulk_lines = 100'000;
#endif
constexpr std::size_t longest_line = 4000;

const std::string nothing = "/dev/null";

/// Copies a program's output to its end at a few hundred bytes a read, so that the program and,
/// through the window, its peer are held back.
std::string read_slowly(process& p, std::size_t slow_bytes) {
  std::string all;
  for (std::string piece; !(piece = p.read_output(all.size() < slow_bytes ? 300 : 65536)).empty();)
    all += piece;
  return all;
}

/// The number in front of "not delivered" on standard error; -1 if it is not there.
long undelivered(const std::string& errors) {
  std::smatch found;
  const std::regex pattern("([0-9]+) (?:message|line)s? not delivered");
  return std::regex_search(errors, found, pattern) ? std::stol(found[1]) : -1;
}

}  // namespace

TEST_CASE("three lines go through a pipe and both programs exit 0") {
  const scratch folder;
  process server(server_command({"--once"}), {nothing, folder / "out"});
  process client(client_command(port_of(server)));
  client.write("one\ntwo\nthree\n");
  client.close_input();
  CHECK(client.finish() == 0);
  CHECK(server.finish() == 0);
  CHECK(read_file(folder / "out") == "one\ntwo\nthree\n");
  CHECK(client.output().empty());
}

TEST_CASE("with --low-latency a conversation goes as without, and so does its end") {
  process server(server_command({"--once", "--low-latency"}));
  process client(client_command(port_of(server), {"--low-latency"}));
  for (const std::string line : {"one\n", "two\n", "three\n"}) {
    client.write(line);
    CHECK(server.read_output(line.size()) == line);
    server.write(line);
    CHECK(client.read_output(line.size()) == line);
  }
  SECTION("by the end of the input") {
    client.close_input();
    server.close_input();
    CHECK(client.finish() == 0);
    CHECK(server.finish() == 0);
  }
  SECTION("by a signal") {
    client.signal(SIGTERM);
    CHECK(client.finish() == 0);
    server.close_input();
    CHECK(server.finish() == 0);
  }
}

TEST_CASE("a last line without a line feed is a message too") {
  process server(server_command({"--once"}), {nothing, ""});
  process client(client_command(port_of(server)));
  client.write("one\n\ntwo");
  client.close_input();
  CHECK(client.finish() == 0);
  CHECK(server.finish() == 0);
  CHECK(server.output() == "one\n\ntwo\n");
}

TEST_CASE("bulk goes both ways at once, byte for byte, while one side is slow") {
  const bool slow_server = GENERATE(true, false);
  const scratch folder;
  const auto there = random_lines(1, bulk_lines, longest_line);
  const auto back = random_lines(2, bulk_lines, longest_line);
  write_file(folder / "there", there);
  write_file(folder / "back", back);
  process server(server_command({"--once"}),
                 {folder / "back", slow_server ? std::string() : folder / "arrived-there"});
  process client(client_command(port_of(server)),
                 {folder / "there", slow_server ? folder / "arrived-back" : std::string()});
  process& slow = slow_server ? server : client;
  const auto slowly_read = read_slowly(slow, 2'000'000);
  CHECK(client.finish() == 0);
  CHECK(server.finish() == 0);
  const auto file = read_file(folder / (slow_server ? "arrived-back" : "arrived-there"));
  // Not CHECK(a == b): a failure would print 200 MB.
  CHECK((slow_server ? slowly_read : file) == std::string_view(there));
  CHECK((slow_server ? file : slowly_read) == std::string_view(back));
}

TEST_CASE("a peer killed in the middle: exit 6, and the number undelivered is right") {
  const scratch folder;
  const std::size_t total = 20'000;
  write_file(folder / "lines", random_lines(3, total, 400));
  process server(server_command({"--once"}), {nothing, ""});
  process client(client_command(port_of(server), {"--json", "--resume-for", "0"}),
                 {folder / "lines", ""});
  std::string printed;
  while (count_lines(printed) < total / 4) printed += server.read_output(4096);
  server.signal(SIGKILL);
  CHECK(server.finish() == 128 + SIGKILL);
  printed = server.output();
  CHECK(client.finish() == 6);
  // What the client's program was told is delivered, and what it says is not, make the whole.
  std::uint64_t acknowledged = 0;
  std::istringstream events(client.output());
  for (std::string line; std::getline(events, line);) {
    const auto event = nlohmann::json::parse(line);
    if (event.at("event") == "delivered") acknowledged = event.at("upto");
  }
  CHECK(acknowledged > 0);
  CHECK(undelivered(client.errors()) == static_cast<long>(total - acknowledged));
  CHECK(acknowledged <= count_lines(printed));  // nothing unprinted was called delivered
}

TEST_CASE("a server that loses its client says so and exits 6") {
  process server(server_command({"--once", "--resume-for", "0"}));
  process client(client_command(port_of(server)));
  client.write("hello\n");
  server.read_until("hello\n");
  client.signal(SIGKILL);
  CHECK(client.finish() == 128 + SIGKILL);
  CHECK(server.finish() == 6);
}

TEST_CASE("a server without --once serves one caller after the other") {
  process server(server_command(), {nothing, ""});
  const auto port = port_of(server);
  for (const std::string text : {"first\n", "second\n", "third\n"}) {
    process client(client_command(port));
    client.write(text);
    client.close_input();
    CHECK(client.finish() == 0);
  }
  server.read_until("third\n");
  server.signal(SIGTERM);
  CHECK(server.finish() == 0);
  CHECK(server.output() == "first\nsecond\nthird\n");
}

TEST_CASE("a second caller is told busy, exit 5, and the first is not disturbed") {
  process server(server_command({"--once"}));
  const auto port = port_of(server);
  process first(client_command(port));
  first.write("one\n");
  server.read_until("one\n");
  process second(client_command(port), {nothing, ""});
  CHECK(second.finish() == 5);
  CHECK_THAT(second.errors(), ContainsSubstring("busy"));
  first.write("two\n");
  server.read_until("two\n");
  first.close_input();
  server.close_input();
  CHECK(first.finish() == 0);
  CHECK(server.finish() == 0);
}

TEST_CASE("errors are one line on standard error and have their exit status") {
  make_identities();
  struct wrong {
    words command;
    int status;
    std::string says;
  };
  asio::io_context context;
  const closed_port nobody(context);
  const auto closed = std::to_string(nobody.number());
  const std::vector<wrong> all{
      {{PARLEY_CLIENT_PATH, "127.0.0.1:" + closed}, 3, "refused"},
      {{PARLEY_CLIENT_PATH, "no-such-host.invalid"}, 3, "no-such-host.invalid"},
      {{PARLEY_CLIENT_PATH, "unix:/no/such/socket"}, 3, "no such file"},
      {{PARLEY_CLIENT_PATH, "--no-such-option", "127.0.0.1"}, 2, "--no-such-option"},
      {{PARLEY_CLIENT_PATH, "127.0.0.1:99999"}, 2, "99999"},
      {{PARLEY_CLIENT_PATH}, 2, "HOST"},
      {{PARLEY_SERVER_PATH, "--port", "no"}, 2, "--port"},
      {{PARLEY_SERVER_PATH, "--bind", "192.0.2.1", "--port", "0"}, 3, "192.0.2.1"},
      {{PARLEY_SERVER_PATH, "--bind", "unix:/no/such/folder/socket"}, 3, "/no/such/folder"},
  };
  for (const auto& w : all) {
    CAPTURE(w.command);
    process program(w.command, {nothing, ""});
    CHECK(program.finish() == w.status);
    CHECK_THAT(program.errors(), ContainsSubstring(w.says));
    CHECK(count_lines(program.errors()) == 1);
    CHECK(program.output().empty());
  }
}

TEST_CASE("a port in use is one clear line and exit 3") {
  process first(server_command());
  const auto port = port_of(first);
  process second({PARLEY_SERVER_PATH, "--bind", "127.0.0.1", "--port", port}, {nothing, ""});
  CHECK(second.finish() == 3);
  CHECK_THAT(second.errors(), ContainsSubstring("in use"));
  CHECK_THAT(second.errors(), ContainsSubstring(port));
  CHECK(count_lines(second.errors()) == 1);
}

TEST_CASE("a Unix socket serves as well, and its file goes with the server") {
  const scratch folder;
  const auto address = "unix:" + folder / "socket";
  process server({PARLEY_SERVER_PATH, "--bind", address, "--once"}, {nothing, ""});
  server.read_errors_until(address);
  process client({PARLEY_CLIENT_PATH, address});
  client.write("through a file\n");
  client.close_input();
  CHECK(client.finish() == 0);
  CHECK(server.finish() == 0);
  CHECK(server.output() == "through a file\n");
  CHECK_FALSE(std::filesystem::exists(folder / "socket"));
}

TEST_CASE("SIGTERM and SIGHUP leave gracefully, with everything delivered") {
  const int number = GENERATE(SIGTERM, SIGHUP, SIGINT);
  CAPTURE(number);
  process server(server_command({"--once"}));
  process client(client_command(port_of(server)));
  client.write("hello\n");
  server.read_until("hello\n");
  client.signal(number);
  server.close_input();
  CHECK(client.finish() == 0);
  CHECK(server.finish() == 0);
}

TEST_CASE("a second Ctrl-C ends at once with 130") {
  process server(server_command({"--once"}));
  process client(client_command(port_of(server)));
  client.write("hello\n");
  server.read_until("hello\n");
  server.signal(SIGSTOP);  // so that no goodbye comes back
  client.signal(SIGINT);
  client.read_errors_until("Ctrl-C ends at once");
  client.signal(SIGINT);
  CHECK(client.finish() == 130);
}

TEST_CASE("a reader that has gone is one error line and exit 1, not a signal") {
  process server(server_command({"--once"}), {nothing, ""});
  process client(client_command(port_of(server)));
  server.close_output();
  client.write("nobody reads this\n");
  CHECK(server.finish() == 1);
  CHECK_THAT(server.errors(), ContainsSubstring("stdout"));
}

TEST_CASE("a caller who speaks something else is turned away and the server goes on") {
  process server(server_command({"--once"}), {nothing, ""});
  const auto port = port_of(server);
  process rude({"python3", "-c",
                "import socket, sys\n"
                "s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
                "s.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n"
                "print(s.recv(100))\n",
                port});
  rude.finish();
  CHECK_THAT(server.read_errors_until("does not speak TLS"), ContainsSubstring("127.0.0.1"));
  process client(client_command(port));
  client.write("still here\n");
  client.close_input();
  CHECK(client.finish() == 0);
  CHECK(server.finish() == 0);
  CHECK(server.output() == "still here\n");
}

TEST_CASE("JSON tells of a delivery also where nobody read standard output when it happened") {
  process server(server_command({"--once"}));
  process client(client_command(port_of(server), {"--json"}));
  client.read_until("\"connected\"");
  // More than pipes hold, less than windows do: all of it is taken, and the client cannot print it.
  server.write(random_lines(5, 20'000, 200));
  client.write("one\n");
  server.read_until("one\n");
  client.read_until("\"delivered\"");
  client.close_input();
  server.close_input();
  CHECK(client.finish() == 0);
  CHECK(server.finish() == 0);
}

TEST_CASE("standard output as JSON is one valid object a line, whatever the bytes are") {
  process server(server_command({"--once", "--json"}), {nothing, ""});
  process client(client_command(port_of(server), {"--name", "bob"}));
  client.write("hello\n\xff\xfe\n\"quoted\" \x1b[31m\n");
  client.close_input();
  CHECK(client.finish() == 0);
  CHECK(server.finish() == 0);
  std::vector<nlohmann::json> messages;
  std::istringstream lines(server.output());
  for (std::string line; std::getline(lines, line);) {
    const auto event = nlohmann::json::parse(line);  // throws if it is none
    if (event.at("event") == "message") messages.push_back(event);
  }
  REQUIRE(messages.size() == 3);
  CHECK(messages[0].at("text") == "hello");
  CHECK(messages[1].at("hex") == "fffe");
  CHECK(messages[2].at("text") == "\"quoted\" \x1b[31m");
}

}  // namespace programs_test
