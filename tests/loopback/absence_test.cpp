// The real programs on a network that fails: conversations come back, nothing is lost, and what is
// said of it is true.

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <parley/error.hpp>
#include <parley/protocol/greeting.hpp>

#include "support/fault_proxy.hpp"
#include "support/ports.hpp"
#include "support/process.hpp"
#include "support/programs.hpp"

namespace absence_test {

using namespace parley::test;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::EndsWith;
using nlohmann::json;

namespace {

#ifdef PARLEY_SANITIZED
constexpr std::size_t bulk_lines = 2'000;  // the programs are some ten times slower then
#else
constexpr std::size_t bulk_lines = 20'000;
#endif
constexpr std::size_t longest_line = 400;
constexpr std::uint64_t bulk_bytes = bulk_lines * (longest_line / 2);  // each way, about
constexpr std::uint64_t hello_bytes =
    parley::protocol::frame::header_size + parley::protocol::frame::hello_size;
constexpr std::uint64_t welcome_bytes =
    parley::protocol::frame::header_size + parley::protocol::frame::welcome_size;
constexpr std::uint64_t ping_bytes =
    parley::protocol::frame::header_size + parley::protocol::frame::ping_size;
constexpr std::uint64_t ack_bytes =
    parley::protocol::frame::header_size + parley::protocol::frame::number_size;

const std::string nothing = "/dev/null";

/// A server, and a proxy on the way to it.
struct server_behind_proxy {
  explicit server_behind_proxy(const words& more = {}, process::redirect to = {})
      : server(server_command(more), std::move(to)),
        proxy(static_cast<std::uint16_t>(std::stoi(port_of(server)))) {}

  /// The command for a client that goes through the proxy.
  [[nodiscard]] words client(const words& more = {}) const {
    return client_command(std::to_string(proxy.port()), more);
  }

  /// Breaks the connection; none comes through until `proxy.allow()`.
  void cut() {
    proxy.refuse();
    proxy.strike(fault::reset);
  }

  process server;
  fault_proxy proxy;
};

/// Lines for both ways, and the files that they come from and go to.
class bulk {
 public:
  explicit bulk(std::size_t lines)
      : there_(random_lines(1, lines, longest_line)), back_(random_lines(2, lines, longest_line)) {
    write_file(folder_ / "there", there_);
    write_file(folder_ / "back", back_);
  }

  [[nodiscard]] process::redirect of_server() const {
    return {folder_ / "back", folder_ / "got-there"};
  }
  [[nodiscard]] process::redirect of_client() const {
    return {folder_ / "there", folder_ / "got-back"};
  }

  /// To be called when both have ended. Not CHECK(a == b): a failure would print it all.
  void check_arrived() const {
    CHECK((read_file(folder_ / "got-there") == there_));
    CHECK((read_file(folder_ / "got-back") == back_));
  }

 private:
  scratch folder_;
  std::string there_;
  std::string back_;
};

/// Plays a bulk both ways while `break_it(proxy)` has its way before the client dials, and
/// `meanwhile(proxy)` while they talk.
template <typename Before, typename Meanwhile>
std::uint64_t play(std::size_t lines, Before before, Meanwhile meanwhile) {
  const bulk data(lines);
  server_behind_proxy house({"--once"}, data.of_server());
  before(house.proxy);
  process client(house.client(), data.of_client());
  meanwhile(house.proxy);
  CHECK(client.finish() == 0);
  CHECK(house.server.finish() == 0);
  data.check_arrived();
  return house.proxy.strikes();
}

constexpr auto leave_it = [](fault_proxy&) {};

/// Strikes every connection after some bytes, in one of the directions; returns how often.
std::uint64_t strike_bulk(fault what) {
  constexpr std::uint64_t most = bulk_bytes / 15;
  return play(
      bulk_lines, [&](fault_proxy& p) { p.strike_every(what, most / 20, most, 42); }, leave_it);
}

/// Waits until so many bytes have gone both ways.
void wait_for_bytes(const fault_proxy& p, std::uint64_t each_way) {
  REQUIRE(p.wait_until([&](const proxy_counts& c) {
    return c.bytes(direction::to_server) >= each_way && c.bytes(direction::to_client) >= each_way;
  }));
}

/// Waits until nobody has anything to write: greetings, pings and their answers have passed, and
/// this much besides. A reset then is found by a read, and its reason is the same each time.
void wait_for_rest(const fault_proxy& p, std::uint64_t more_there, std::uint64_t more_back) {
  REQUIRE(p.wait_until([&](const proxy_counts& c) {
    return c.bytes(direction::to_server) >= hello_bytes + 2 * ping_bytes + more_there &&
           c.bytes(direction::to_client) >= welcome_bytes + 2 * ping_bytes + more_back;
  }));
}

std::vector<json> events_of(const process& p) {
  std::vector<json> all;
  std::istringstream lines(p.output());
  for (std::string line; std::getline(lines, line);) all.push_back(json::parse(line));
  return all;
}

/// The events of one kind.
std::vector<json> only(const std::vector<json>& all, const std::string& name) {
  std::vector<json> some;
  std::copy_if(all.begin(), all.end(), std::back_inserter(some),
               [&](const json& j) { return j.at("event") == name; });
  return some;
}

/// Their names in order, one for several in a row; what comes at any time is left out.
std::string course_of(const std::vector<json>& all) {
  std::string course;
  std::string last;
  for (const json& j : all) {
    const std::string name = j.at("event");
    if (name == last || name == "delivered" || name == "message" || name == "listening") continue;
    course += (course.empty() ? "" : " ") + name;
    last = name;
  }
  return course;
}

std::vector<std::string> members_of(const json& j) {
  std::vector<std::string> names;
  for (const auto& [name, value] : j.items()) names.push_back(name);
  return names;  // the parser sorts them
}

/// What a program says of the messages that it could not deliver; -1 where it says nothing.
struct shortfall {
  long undelivered = -1;
  long unsent = -1;
};

shortfall shortfall_of(const std::string& errors) {
  std::smatch found;
  const std::regex pattern("([0-9]+) messages? not delivered \\(([0-9]+) never sent\\)");
  if (!std::regex_search(errors, found, pattern)) return {};
  return {std::stol(found[1]), std::stol(found[2])};
}

/// Lets an absence last so long that it is worth a number.
void be_away() { ::poll(nullptr, 0, 100); }

/// How often `text` stands in `all`.
std::size_t count_of(const std::string& all, std::string_view text) {
  std::size_t n = 0;
  for (auto at = all.find(text); at != all.npos; at = all.find(text, at + text.size())) ++n;
  return n;
}

/// Stops a program as a debugger or a closed lid does; returns when it stands still.
void stop(const process& p) {
  p.signal(SIGSTOP);
  int status = 0;
  REQUIRE(::waitpid(p.pid(), &status, WUNTRACED) == p.pid());
  REQUIRE(WIFSTOPPED(status));
}

}  // namespace

// --- nothing is lost ---------------------------------------------------------------------------

TEST_CASE("bulk goes both ways byte for byte while every connection is reset") {
  CHECK(strike_bulk(fault::reset) > 0);
}

TEST_CASE("bulk goes both ways byte for byte while every connection is closed") {
  CHECK(strike_bulk(fault::close) > 0);
}

TEST_CASE("bulk goes both ways byte for byte while every connection is closed one way") {
  CHECK(strike_bulk(fault::half_close) > 0);  // the other way goes on meanwhile, and does a lot
}

TEST_CASE("bulk goes both ways byte for byte through links that go down and come back") {
  const auto down_and_up = [](fault_proxy& p) {
    for (std::uint64_t part = 1; part < 5; ++part) {
      wait_for_bytes(p, bulk_bytes * part / 5);
      p.stall_all();
      ::poll(nullptr, 0, 100);  // it is down for a while, and nobody need notice
      p.release();
    }
  };
  CHECK(play(bulk_lines, leave_it, down_and_up) == 0);
}

TEST_CASE("bulk goes on over a connection that had to wait for the link to come up") {
  const auto lose_while_down = [](fault_proxy& p) {
    wait_for_bytes(p, bulk_bytes / 3);
    p.stall_all();
    p.strike(fault::reset);
    REQUIRE(p.wait_until([](const proxy_counts& c) { return c.connections == 2; }));
    p.release();
  };
  CHECK(play(bulk_lines, leave_it, lose_while_down) == 1);
}

TEST_CASE("a connection that is cut into single bytes and reset carries everything") {
  const auto slice = [](fault_proxy& p) {
    p.slice(1);
    p.strike_every(fault::reset, 1'000, 20'000, 7);
  };
  CHECK(play(200, slice, leave_it) > 1);
}

TEST_CASE("a slow connection that is reset now and then carries everything") {
  const auto throttle = [](fault_proxy& p) {
    p.throttle(100'000);
    p.strike_every(fault::reset, 10'000, 50'000, 7);
  };
  CHECK(play(400, throttle, leave_it) > 1);
}

TEST_CASE("a connection that fails in an exact place costs nothing") {
  struct place {
    const char* name;
    direction way;
    std::uint64_t offset;
  };
  // What each side says here: greeting, ping, pong, a message of 2,000 bytes, an ack, the goodbye.
  const std::string text(2'000, 'x');
  const std::uint64_t message = parley::message_overhead + text.size();
  const std::uint64_t at_rest_there = hello_bytes + 2 * ping_bytes + message + ack_bytes;
  const std::uint64_t at_rest_back = welcome_bytes + 2 * ping_bytes + message + ack_bytes;
  const auto where =
      GENERATE_COPY(place{"before the hello", direction::to_server, 0},
                    place{"in the hello's length", direction::to_server, 2},
                    place{"in the hello", direction::to_server, hello_bytes / 2},
                    place{"between hello and welcome", direction::to_server, hello_bytes},
                    place{"before the welcome", direction::to_client, 0},
                    place{"in the welcome", direction::to_client, welcome_bytes / 2},
                    place{"behind the welcome", direction::to_client, welcome_bytes},
                    place{"in a message there", direction::to_server, hello_bytes + 1'000},
                    place{"in a message back", direction::to_client, welcome_bytes + 1'000},
                    place{"right before the goodbye there", direction::to_server, at_rest_there},
                    place{"in the goodbye there", direction::to_server, at_rest_there + 5},
                    place{"right before the goodbye back", direction::to_client, at_rest_back},
                    place{"in the goodbye back", direction::to_client, at_rest_back + 5});
  const auto what = GENERATE(fault::reset, fault::close, fault::half_close);
  CAPTURE(where.name, what);
  server_behind_proxy house({"--once"});
  house.proxy.strike_at(what, where.way, where.offset);
  process client(house.client({"--wait"}));
  client.write(text + "\n");
  house.server.write(text + "\n");
  client.read_until(text + "\n");
  house.server.read_until(text + "\n");
  client.close_input();
  house.server.close_input();
  CHECK(client.finish() == 0);
  CHECK(house.server.finish() == 0);
  CHECK(client.output() == text + "\n");
  CHECK(house.server.output() == text + "\n");
  CHECK(house.proxy.strikes() == 1);
}

namespace {

/// A short conversation, through a proxy to which `before` is done before the client dials; returns
/// how many bytes went each way.
template <typename Before>
proxy_counts talk_shortly(bool once, Before before) {
  const scratch folder;
  write_file(folder / "there", "one\n\ntwo\n");
  write_file(folder / "back", "three\nfour\n");
  const words patience{"--resume-for", "6"};
  server_behind_proxy house(once ? patience + words{"--once"} : patience, {folder / "back", ""});
  before(house.proxy);
  process client(house.client(patience + words{"--wait"}), {folder / "there", ""});
  CHECK(client.finish() == 0);
  house.server.read_errors_until(" has ended\n");
  if (!once) house.server.signal(SIGKILL);
  CHECK(house.server.finish() == (once ? 0 : 128 + SIGKILL));
  CHECK(house.server.output() == "one\n\ntwo\n");
  CHECK(client.output() == "three\nfour\n");
  proxy_counts counts;
  REQUIRE(house.proxy.wait_until([&](const proxy_counts& c) {
    counts = c;
    return c.open == 0;
  }));
  return counts;
}

/// Plays it for each `step`th byte of it, and strikes there.
void strike_everywhere(bool once, std::uint64_t step) {
  const auto whole = talk_shortly(once, leave_it);
  const std::array faults{fault::reset, fault::close, fault::half_close};
  std::size_t n = 0;
  for (const auto way : {direction::to_server, direction::to_client})
    for (std::uint64_t at = 0; at < whole.bytes(way); at += step) {
      const auto what = faults.at(n++ % faults.size());
      CAPTURE(way, at, what);
      talk_shortly(once, [&](fault_proxy& p) { p.strike_at(what, way, at); });
    }
}

}  // namespace

TEST_CASE("a short conversation that is struck at any byte ends well on both sides") {
  strike_everywhere(true, 7);
}

TEST_CASE("a short conversation is struck at each byte", "[.full]") {
  strike_everywhere(GENERATE(false, true), 1);
}

TEST_CASE("a server with --once does not leave before its client knows that all has arrived") {
  const auto what = GENERATE(fault::reset, fault::close, fault::half_close);
  // With the last message back, or just behind it: the last acknowledgements are still to come.
  const std::uint64_t at = welcome_bytes + 2 * ping_bytes + GENERATE(as<std::uint64_t>{}, 32, 40);
  CAPTURE(what, at);
  talk_shortly(true, [&](fault_proxy& p) { p.strike_at(what, direction::to_client, at); });
}

TEST_CASE("a link that only swallows what is sent is noticed, and nothing is lost") {
  server_behind_proxy house({"--once"});
  process client(house.client());
  client.write("one\n");
  house.server.read_until("one\n");
  house.proxy.strike(fault::stall);
  client.write("two\n");
  house.server.read_until("two\n");
  client.read_errors_until(", 1 message sent again\n");
  house.server.read_errors_until("back after");
  // Who notices first hangs up, and the proxy passes that on.
  CHECK_THAT(client.errors() + house.server.errors(),
             ContainsSubstring("lost (the peer has fallen silent), "));
  client.close_input();
  house.server.close_input();
  CHECK(client.finish() == 0);
  CHECK(house.server.finish() == 0);
  CHECK(house.server.output() == "one\ntwo\n");
}

TEST_CASE("either program may stand still for a while, and nothing is lost") {
  const bool server_stops = GENERATE(true, false);
  const bool reset_meanwhile = GENERATE(false, true);
  CAPTURE(server_stops, reset_meanwhile);
  const bulk data(bulk_lines);
  server_behind_proxy house({"--once"}, data.of_server());
  process client(house.client(), data.of_client());
  const process& still = server_stops ? house.server : client;
  wait_for_bytes(house.proxy, bulk_bytes / 4);
  stop(still);
  if (reset_meanwhile) house.proxy.strike(fault::reset);
  ::poll(nullptr, 0, 300);  // the while
  still.signal(SIGCONT);
  CHECK(client.finish() == 0);
  CHECK(house.server.finish() == 0);
  data.check_arrived();
}

// --- what is said of it ------------------------------------------------------------------------

TEST_CASE("a loss and a return are told on both sides, and lines said meanwhile arrive") {
  server_behind_proxy house({"--once"});
  process client(house.client());
  client.write("one\n");
  house.server.read_until("one\n");
  wait_for_rest(house.proxy, parley::message_overhead + 3, ack_bytes);
  house.cut();
  client.read_errors_until("parley-client: lost (connection reset by peer), trying again\n");
  client.read_errors_until("parley-client: still away (connection refused), trying again");
  house.server.read_errors_until(
      "parley-server: lost (connection reset by peer), waiting 10 min for the peer to come back\n");
  client.write("two\n");
  be_away();
  house.proxy.allow();
  house.server.read_until("two\n");
  client.read_errors_until("parley-client: back after ");
  house.server.read_errors_until("parley-server: back after ");
  client.close_input();
  house.server.close_input();
  CHECK(client.finish() == 0);
  CHECK(house.server.finish() == 0);
  CHECK(house.server.output() == "one\ntwo\n");
  // Nothing but a new message went over the new connection.
  const std::regex back("back after [0-9]+(\\.[0-9])? (s|min)\n");
  CHECK(std::regex_search(client.errors(), back));
  CHECK(std::regex_search(house.server.errors(), back));
  // However many attempts there were, the reason that did not change was told once.
  CHECK(count_of(client.errors(), "still away") == 1);
  CHECK(count_of(client.errors(), "lost (") == 1);
  CHECK(count_of(house.server.errors(), "lost (") == 1);
}

TEST_CASE("what was sent before a loss and did not arrive is counted as sent again") {
  server_behind_proxy house({"--once"});
  // Between the greetings and the end of the message.
  house.proxy.strike_at(fault::reset, direction::to_server, 10'000);
  process client(house.client());
  client.read_errors_until("connected to");
  house.proxy.refuse();
  const std::string half_sent(20'000, 'x');
  client.write(half_sent + "\n");
  client.read_errors_until("still away (connection refused)");
  client.write("said while away\n");
  be_away();
  house.proxy.allow();
  house.server.read_until("said while away\n");
  client.read_errors_until(" s, 1 message sent again\n");
  client.close_input();
  house.server.close_input();
  CHECK(client.finish() == 0);
  CHECK(house.server.finish() == 0);
  CHECK((house.server.output() == half_sent + "\nsaid while away\n"));
  CHECK_THAT(house.server.errors(), !ContainsSubstring("again"));
}

TEST_CASE("a goodbye that is sent again is not counted as a message") {
  server_behind_proxy house({"--once"});
  house.proxy.strike_at(fault::reset, direction::to_server, 10'000);
  process client(house.client());
  client.read_errors_until("connected to");
  const std::string half_sent(20'000, 'x');
  stop(client);  // so that message and goodbye go in one write
  client.write(half_sent + "\n");
  client.close_input();
  client.signal(SIGCONT);
  client.read_errors_until(" sent again\n");
  house.server.close_input();
  CHECK(client.finish() == 0);
  CHECK(house.server.finish() == 0);
  CHECK_THAT(client.errors(), ContainsSubstring(", 1 message sent again\n"));
}

TEST_CASE("JSON tells the loss, each failed attempt and the return, in order, on both sides") {
  make_identities();
  server_behind_proxy house({"--once", "--json"});
  house.proxy.strike_at(fault::reset, direction::to_server, 10'000);
  process client(house.client({"--json"}));
  client.read_until("\"connected\"");
  house.proxy.refuse();
  wait_for_rest(house.proxy, 0, 0);
  client.write(std::string(20'000, 'x') + "\n");
  client.read_until("\"failed\"");
  client.write("said while away\n");
  house.server.read_until("\"lost\"");
  house.proxy.allow();
  house.server.read_until("said while away");
  client.close_input();
  house.server.close_input();
  CHECK(client.finish() == 0);
  CHECK(house.server.finish() == 0);

  const auto ours = events_of(client);
  CHECK(course_of(ours) == "connecting connected lost failed resumed stats ended");
  const auto lost = only(ours, "lost");
  REQUIRE(lost.size() == 1);
  CHECK(members_of(lost[0]) == words{"event", "reason", "retry_ms", "time"});
  // A reset is told once: to the write or to the read, which then sees an end.
  const std::string why = lost[0].at("reason");
  CHECK((why == "connection reset by peer" || why == describe(parley::errc::disconnected)));
  CHECK(lost[0].at("retry_ms") == 0);  // the first attempt comes at once
  for (const auto& failed : only(ours, "failed")) {
    CHECK(members_of(failed) == words{"event", "reason", "retry_ms", "time"});
    CHECK(failed.at("reason") == "connection refused");
    CHECK(failed.at("retry_ms").is_number_unsigned());
  }
  const auto resumed = only(ours, "resumed");
  REQUIRE(resumed.size() == 1);
  CHECK(members_of(resumed[0]) == words{"again", "away_ms", "event", "time"});
  CHECK(resumed[0].at("again") == 1);
  CHECK(resumed[0].at("away_ms").is_number_unsigned());
  CHECK(only(ours, "ended").at(0).at("undelivered") == 0);
  CHECK_FALSE(only(ours, "ended").at(0).contains("reason"));

  const auto theirs = events_of(house.server);
  CHECK(course_of(theirs) == "identity connected lost resumed stats ended");
  const auto theirs_lost = only(theirs, "lost");
  REQUIRE(theirs_lost.size() == 1);
  CHECK(members_of(theirs_lost[0]) == words{"event", "reason", "time", "wait_ms"});
  CHECK(theirs_lost[0].at("reason") == "connection reset by peer");
  CHECK(theirs_lost[0].at("wait_ms") == 600'000);
  const auto theirs_resumed = only(theirs, "resumed");
  REQUIRE(theirs_resumed.size() == 1);
  CHECK(theirs_resumed[0].at("again") == 0);
  const auto messages = only(theirs, "message");
  REQUIRE(messages.size() == 2);
  CHECK(messages[0].at("sequence") == 0);
  CHECK(messages[1].at("sequence") == 1);
}

// --- when it does not come back ----------------------------------------------------------------

TEST_CASE("with no time to resume a loss is the end: exit 6, and every message is accounted for") {
  const std::size_t total = 40'000;  // far more than the window, so that some are never sent
  const scratch folder;
  write_file(folder / "lines", random_lines(3, total, longest_line));
  // Nobody reads what the server prints, so it is not done with all that comes.
  server_behind_proxy house({"--once", "--resume-for", "0"}, {nothing, ""});
  process client(house.client({"--json", "--resume-for", "0"}), {folder / "lines", ""});
  client.read_until("\"delivered\"");
  house.proxy.strike(fault::reset);
  CHECK(client.finish() == 6);
  CHECK(house.server.finish() == 6);
  const auto all = events_of(client);
  const long upto = only(all, "delivered").back().at("upto");
  const auto s = shortfall_of(client.errors());
  CHECK(s.undelivered + upto == static_cast<long>(total));
  CHECK(only(all, "ended").at(0).at("undelivered") == s.undelivered);
  CHECK(only(all, "ended").at(0).at("unsent") == s.unsent);
  // Between what is known to be delivered and what was never sent lies what was printed.
  const auto printed = static_cast<long>(count_lines(house.server.output()));
  CHECK(upto <= printed);
  CHECK(printed <= static_cast<long>(total) - s.unsent);
  CHECK(s.unsent > 0);
  CHECK(only(all, "lost").empty());
  CHECK_THAT(client.errors(), ContainsSubstring(" was lost: "));
  CHECK_THAT(house.server.errors(), ContainsSubstring("; 0 messages not delivered"));
  CHECK(house.proxy.connections() == 1);
}

TEST_CASE("when the time to resume is over: exit 6, and the numbers are right") {
  server_behind_proxy house({"--once", "--json", "--resume-for", "0.3"});
  process client(house.client({"--json", "--resume-for", "0.3"}));
  client.write("one\ntwo\n");
  client.read_until("\"upto\":2");
  house.server.write("hello\n");
  house.server.read_until("\"upto\":1");
  house.server.close_input();
  const auto begun = std::chrono::steady_clock::now();
  house.cut();
  client.read_until("\"failed\"");
  client.write("three\nfour\nfive\n");
  client.close_input();
  house.server.read_errors_until("waiting 0.3 s for the peer to come back");
  CHECK(client.finish() == 6);
  CHECK(std::chrono::steady_clock::now() - begun >= std::chrono::milliseconds(300));
  CHECK(house.server.finish() == 6);
  CHECK_THAT(client.errors(), ContainsSubstring("was lost: connection refused; 3 messages not "
                                                "delivered (3 never sent)\n"));
  CHECK_THAT(house.server.errors(), ContainsSubstring(describe(parley::errc::not_back)));
  CHECK_THAT(house.server.errors(), ContainsSubstring("; 0 messages not delivered (0 never sent)"));
  CHECK(only(events_of(house.server), "message").size() == 2);
}

TEST_CASE("a server that nobody comes back to serves the next caller") {
  server_behind_proxy house({"--resume-for", "0.2"});
  process first(house.client({"--resume-for", "0.2"}));
  first.write("one\n");
  house.server.read_until("one\n");
  house.cut();
  first.finish();  // 0 or 6: whether its only line was known to be delivered is a matter of moments
  house.server.read_errors_until(describe(parley::errc::not_back));
  house.proxy.allow();
  process second(house.client());
  second.write("two\n");
  second.close_input();
  house.server.read_until("two\n");
  house.server.close_input();
  CHECK(second.finish() == 0);
}

TEST_CASE("a client that comes back too late is told so, and exits 6") {
  server_behind_proxy house({"--resume-for", "0.3"}, {nothing, ""});
  process client(house.client({"--json"}));
  client.write("one\n");
  client.read_until("\"upto\":1");
  house.proxy.stall_all();  // so that the way back takes longer than that
  house.proxy.strike(fault::reset);
  client.read_until("\"lost\"");
  client.write("two\n");
  client.close_input();
  house.server.read_errors_until(describe(parley::errc::not_back));
  house.proxy.release();
  CHECK(client.finish() == 6);
  CHECK_THAT(client.errors(), ContainsSubstring(describe(parley::errc::refused_expired)));
  CHECK_THAT(client.errors(), ContainsSubstring("; 1 message not delivered (1 never sent)"));
  CHECK(house.server.output() == "one\n");
}

TEST_CASE("a server that was restarted does not know the session: exit 6, and nothing gets there") {
  server_behind_proxy house;
  process client(house.client({"--json"}));
  client.write("one\n");
  client.read_until("\"upto\":1");
  const auto port = port_of(house.server);
  house.proxy.refuse();
  house.server.signal(SIGKILL);
  CHECK(house.server.finish() == 128 + SIGKILL);
  client.read_until("\"failed\"");
  client.write("for the old server alone\n");
  client.close_input();
  process restarted({PARLEY_SERVER_PATH, "--bind", "127.0.0.1", "--port", port});
  CHECK(port_of(restarted) == port);
  house.proxy.allow();
  CHECK(client.finish() == 6);
  CHECK_THAT(client.errors(), ContainsSubstring(describe(parley::errc::refused_unknown_session)));
  CHECK_THAT(client.errors(),
             ContainsSubstring("was it restarted?; 1 message not delivered (1 never sent)"));
  process next(house.client());
  next.write("for the new server\n");
  next.close_input();
  restarted.read_until("for the new server\n");
  CHECK(restarted.output() == "for the new server\n");
  restarted.close_input();
  CHECK(next.finish() == 0);
}

// --- waiting for a server ----------------------------------------------------------------------

TEST_CASE("with --wait a client gets in as soon as there is a way to the server") {
  server_behind_proxy house({"--once"}, {nothing, ""});
  house.proxy.refuse();
  process client(house.client({"--wait"}));
  client.write("patient\n");
  client.close_input();
  client.read_errors_until("no answer yet (connection refused), trying again");
  house.proxy.allow();
  CHECK(client.finish() == 0);
  CHECK(house.server.finish() == 0);
  CHECK(house.server.output() == "patient\n");
  CHECK_THAT(client.errors(), !ContainsSubstring("lost"));
  CHECK_THAT(client.errors(), !ContainsSubstring("back a"));
}

TEST_CASE("with --wait a client gets in as soon as there is a Unix socket") {
  make_identities();
  const scratch folder;
  const auto address = "unix:" + folder / "socket";
  process client({PARLEY_CLIENT_PATH, address, "--wait=50", "--json"});
  client.write("patient\n");
  client.close_input();
  client.read_until("\"failed\"");
  process server({PARLEY_SERVER_PATH, "--bind", address, "--once"}, {nothing, ""});
  CHECK(client.finish() == 0);
  CHECK(server.finish() == 0);
  CHECK(server.output() == "patient\n");
  const auto all = events_of(client);
  CHECK(course_of(all) == "connecting failed connected stats ended");
  CHECK(only(all, "failed").at(0).at("reason") == "no such file or directory");
}

TEST_CASE("with --wait a client gets in when the conversation before it is over") {
  process server(server_command(), {nothing, ""});
  const auto port = port_of(server);
  process first(client_command(port));
  first.write("first\n");
  server.read_until("first\n");
  process second(client_command(port, {"--wait"}));
  second.write("second\n");
  second.close_input();
  second.read_errors_until("no answer yet (refused: busy with another conversation), trying again");
  first.write("still first\n");
  first.close_input();
  CHECK(first.finish() == 0);
  CHECK(second.finish() == 0);
  CHECK(server.read_until("second\n") == "first\nstill first\nsecond\n");
}

TEST_CASE("who waits in vain is told so in one line: exit 3") {
  make_identities();
  asio::io_context context;
  const closed_port nobody(context);
  const auto closed = std::to_string(nobody.number());
  const auto begun = std::chrono::steady_clock::now();
  process client(client_command(closed, {"--wait=0.2"}), {nothing, ""});
  CHECK(client.finish() == 3);
  CHECK(std::chrono::steady_clock::now() - begun >= std::chrono::milliseconds(200));
  const std::string errors = client.errors();
  CHECK(count_of(errors, "cannot join 127.0.0.1:" + closed + ": connection refused; ") == 1);
  CHECK(count_of(errors, "no answer yet (connection refused)") == 1);
  CHECK(count_lines(errors) == 2);  // that it waits, and that it gave up
}

TEST_CASE("who waits in vain for a busy server is told so: exit 5") {
  process server(server_command());
  const auto port = port_of(server);
  process first(client_command(port));
  first.write("first\n");
  server.read_until("first\n");
  process second(client_command(port, {"--wait=0.2"}), {nothing, ""});
  CHECK(second.finish() == 5);
  CHECK(count_of(second.errors(), "cannot join") == 1);
  CHECK_THAT(second.errors(), EndsWith("busy with another conversation; try again later\n"));
}

TEST_CASE("a caller who waits for his turn is told of once, however often he calls") {
  process server(server_command({"--once"}));
  const auto port = port_of(server);
  process first(client_command(port));
  first.write("one\n");
  server.read_until("one\n");
  process second(client_command(port, {"--wait", "--json"}));
  while (count_of(second.output(), "\"failed\"") < 3) second.read_some();
  first.close_input();
  server.close_input();
  CHECK(first.finish() == 0);
  CHECK(server.finish() == 0);
  CHECK(count_of(server.errors(), "turned away") == 1);
}

TEST_CASE("Ctrl-C ends the waiting for a server at once") {
  asio::io_context context;
  const closed_port nobody(context);
  process client(client_command(std::to_string(nobody.number()), {"--wait"}));
  client.read_errors_until("no answer yet");
  client.signal(SIGINT);
  CHECK(client.finish() == 3);
  CHECK_THAT(client.errors(), EndsWith("interrupted\n"));
}

TEST_CASE("times that are none are usage errors: exit 2 and one line") {
  struct wrong {
    words command;
    std::string says;
  };
  const auto client = [](const std::string& option) {
    return words{PARLEY_CLIENT_PATH, "127.0.0.1:1", option};
  };
  const auto server = [](const std::string& option) { return server_command({option}); };
  const auto w = GENERATE_COPY(
      wrong{client("--wait=soon"), "--wait"}, wrong{client("--wait=-1"), "--wait"},
      wrong{client("--wait=1s"), "--wait"}, wrong{client("--wait=nan"), "--wait"},
      wrong{client("--wait=inf"), "--wait"}, wrong{client("--wait=1e9"), "--wait"},
      wrong{client("--wait=false"), "--wait"}, wrong{client("--wait= 1"), "--wait"},
      wrong{client("--resume-for=-1"), "--resume-for"},
      wrong{client("--resume-for=nan"), "--resume-for"},
      wrong{client("--resume-for=x"), "--resume-for"},
      wrong{client("--resume-for=1e9"), "--resume-for"},
      wrong{client("--resume-for="), "--resume-for"},
      wrong{server("--resume-for=-0.1"), "--resume-for"}, wrong{server("--wait"), "--wait"});
  CAPTURE(w.command);
  process program(w.command, {nothing, ""});
  CHECK(program.finish() == 2);
  CHECK_THAT(program.errors(), ContainsSubstring(w.says));
  CHECK(count_lines(program.errors()) == 1);
  CHECK(program.output().empty());
}

// --- others, and the end -----------------------------------------------------------------------

TEST_CASE("while a client is away another is told busy, and the first comes back and goes on") {
  server_behind_proxy house({"--once"});
  process first(house.client());
  first.write("one\n");
  house.server.read_until("one\n");
  house.cut();
  house.server.read_errors_until("waiting 10 min for the peer to come back");
  process second(client_command(port_of(house.server)), {nothing, ""});
  CHECK(second.finish() == 5);
  CHECK_THAT(second.errors(), ContainsSubstring("busy"));
  house.server.write("said to nobody\n");
  house.proxy.allow();
  first.read_until("said to nobody\n");
  first.write("two\n");
  house.server.read_until("two\n");
  first.close_input();
  house.server.close_input();
  CHECK(first.finish() == 0);
  CHECK(house.server.finish() == 0);
  CHECK(house.server.output() == "one\ntwo\n");
  CHECK(second.output().empty());
}

TEST_CASE("input that ends while the peer is away is delivered when it is back") {
  const bool client_ends = GENERATE(true, false);
  CAPTURE(client_ends);
  server_behind_proxy house({"--once"});
  process client(house.client());
  process& one = client_ends ? client : house.server;
  process& other = client_ends ? house.server : client;
  one.write("one\n");
  other.read_until("one\n");
  house.cut();
  one.read_errors_until("lost (");
  one.write("two\n");
  one.close_input();
  house.proxy.allow();
  other.read_until("two\n");
  other.close_input();
  CHECK(client.finish() == 0);
  CHECK(house.server.finish() == 0);
  CHECK(other.output() == "one\ntwo\n");
}

TEST_CASE("after a second Ctrl-C of one side the other knows at once that it is over: exit 6") {
  const bool client_ends = GENERATE(true, false);
  CAPTURE(client_ends);
  // A pipe that nobody reads: what is more than it holds is never printed, so never acknowledged.
  const scratch folder;
  const auto unread = folder / "unread";
  REQUIRE(::mkfifo(unread.c_str(), S_IRUSR | S_IWUSR) == 0);
  const descriptor reader(::open(unread.c_str(), O_RDWR | O_CLOEXEC));
  server_behind_proxy house({"--once"}, {"", client_ends ? std::string() : unread});
  process client(house.client(), {"", client_ends ? unread : std::string()});
  process& one = client_ends ? client : house.server;
  process& other = client_ends ? house.server : client;
  const std::size_t lines = 2'000;
  const std::string text = random_lines(5, lines, longest_line);
  other.write(text);
  other.close_input();
  // All has arrived: nobody is in the middle of a write that would have to be cut.
  const auto frames = text.size() + lines * (parley::message_overhead - 1);
  wait_for_rest(house.proxy, client_ends ? 0 : frames, client_ends ? frames : 0);
  one.signal(SIGINT);
  one.read_errors_until("Ctrl-C ends at once");
  one.signal(SIGINT);
  CHECK(one.finish() == 130);
  CHECK(other.finish() == 6);
  CHECK_THAT(other.errors(), ContainsSubstring(describe(parley::errc::ended_by_peer)));
  CHECK_THAT(other.errors(), !ContainsSubstring("lost ("));
  CHECK(shortfall_of(other.errors()).undelivered > 0);
  CHECK(shortfall_of(other.errors()).unsent == 0);
}

TEST_CASE("a second Ctrl-C after all was delivered is no loss to the other side") {
  const bool client_ends = GENERATE(true, false);
  CAPTURE(client_ends);
  server_behind_proxy house({"--once"});
  process client(house.client());
  process& one = client_ends ? client : house.server;
  process& other = client_ends ? house.server : client;
  one.write("hello\n");
  other.read_until("hello\n");
  one.signal(SIGINT);
  one.read_errors_until("Ctrl-C ends at once");
  one.signal(SIGINT);
  CHECK(one.finish() == 130);
  CHECK(other.finish() == 0);
  CHECK_THAT(other.errors(), !ContainsSubstring("lost ("));
}

}  // namespace absence_test
