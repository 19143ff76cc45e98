// Either program is killed at a random moment: what the other one says afterwards accounts for
// every message, and is true.

#include <poll.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "support/process.hpp"
#include "support/programs.hpp"
#include "support/random.hpp"

namespace kill_test {

using namespace parley::test;

namespace {

/// What a program's JSON says became of its messages.
struct account {
  std::uint64_t delivered = 0;
  std::uint64_t undelivered = 0;
  std::uint64_t unsent = 0;
  bool ended = false;
};

account account_of(const std::string& output) {
  account a;
  std::istringstream events(output);
  for (std::string line; std::getline(events, line);) {
    const auto event = nlohmann::json::parse(line);
    if (event.at("event") == "delivered") a.delivered = event.at("upto");
    if (event.at("event") != "ended") continue;
    a.undelivered = event.at("undelivered");
    a.unsent = event.at("unsent");
    a.ended = true;
  }
  return a;
}

/// How many messages it has printed, each of them the line that was said; the last line of one who
/// was killed may be cut.
std::uint64_t printed(const std::string& output, const std::string& said) {
  std::uint64_t n = 0;
  std::istringstream events(output);
  std::istringstream lines(said);
  std::string expected;
  for (std::string line; std::getline(events, line);) {
    const auto event = nlohmann::json::parse(line, nullptr, false);
    if (event.is_discarded()) break;
    if (event.at("event") != "message") continue;
    REQUIRE(std::getline(lines, expected));
    REQUIRE(event.at("text") == expected);
    ++n;
  }
  return n;
}

/// Lines of text, each with its number; 20,000 are more than an outbox and a window hold.
std::string numbered_lines(std::size_t count, const std::string& name) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i)
    text += name + " " + std::to_string(i) + " " + std::string(i % 800, 'x') + "\n";
  return text;
}

/// Waits until a program has written so much to a file.
void wait_for_size(const std::string& path, std::uintmax_t size) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (std::filesystem::file_size(path) < size) {
    if (std::chrono::steady_clock::now() > deadline) FAIL("it does not write " << size);
    ::poll(nullptr, 0, 1);
  }
}

/// Kills one of two programs that talk both ways, so many times; each time anew.
void kill_either(int times, std::size_t lines) {
  const scratch folder;
  const std::string server_says = numbered_lines(lines, "server");
  const std::string client_says = numbered_lines(lines, "client");
  write_file(folder / "server", server_says);
  write_file(folder / "client", client_says);
  const words both{"--json", "--resume-for", "0.2"};
  parley::test::random rng(7);
  std::uint64_t delivered = 0, unknown = 0, unsent = 0;
  for (int i = 0; i < times; ++i) {
    INFO("trial " << i);
    process server(server_command(both + words{"--once"}),
                   {folder / "server", folder / "server.out"});
    process client(client_command(port_of(server), both),
                   {folder / "client", folder / "client.out"});
    const bool server_dies = rng.once_in(2);
    const bool server_leads = rng.once_in(2);
    // Any moment before the end will do, and up to here nothing is at its end.
    wait_for_size(folder / (server_leads ? "server.out" : "client.out"),
                  rng.below(server_says.size() / 3));
    (server_dies ? server : client).signal(SIGKILL);
    const int of_server = server.finish();
    const int of_client = client.finish();
    const int survived = server_dies ? of_client : of_server;
    CHECK((server_dies ? of_server : of_client) == 128 + SIGKILL);
    const auto a = account_of(read_file(folder / (server_dies ? "client.out" : "server.out")));
    if (!a.ended) {  // the client had not read its welcome yet
      CHECK(survived != 0);
      continue;
    }
    // Who was killed between its goodbye and its end has left nothing open.
    const auto came = printed(read_file(folder / (server_dies ? "client.out" : "server.out")),
                              server_dies ? server_says : client_says);
    CHECK((survived == 6 || (survived == 0 && a.undelivered == 0 && came == lines)));
    const auto heard = printed(read_file(folder / (server_dies ? "server.out" : "client.out")),
                               server_dies ? client_says : server_says);
    CHECK(a.delivered + a.undelivered == lines);  // each of them has a fate, and one only
    CHECK(a.unsent <= a.undelivered);
    CHECK(a.delivered <= heard);       // what was called delivered was printed
    CHECK(heard <= lines - a.unsent);  // what was called not sent was not
    delivered += a.delivered;
    unknown += a.undelivered - a.unsent;
    unsent += a.unsent;
  }
  std::printf("%d programs killed: %llu messages delivered, %llu unknown, %llu not sent\n", times,
              static_cast<unsigned long long>(delivered), static_cast<unsigned long long>(unknown),
              static_cast<unsigned long long>(unsent));
  CHECK(delivered > 0);
  CHECK(unsent > 0);
}

}  // namespace

TEST_CASE("a program killed at any moment leaves the other one with a true account") {
  kill_either(8, 20'000);
}

TEST_CASE("200 programs killed", "[.full]") { kill_either(200, 20'000); }

}  // namespace kill_test
