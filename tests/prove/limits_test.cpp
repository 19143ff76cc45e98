// Who reads nothing, and who takes all descriptors, costs a bounded amount of memory and time.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "prove/talk.hpp"
#include "support/process.hpp"

namespace limits_test {

namespace {

using namespace std::chrono_literals;
using parley::test::descriptor;
using parley::test::talk;

/// Lets time pass, which is what the proof is about.
void pass(std::chrono::milliseconds d) { ::poll(nullptr, 0, static_cast<int>(d.count())); }

/// One side reads nothing for so long while the other sends without pause.
void read_nothing(std::chrono::seconds length) {
  constexpr std::int64_t mebibyte = 1 << 20;
  // The bound on memory, at the default limits: outbox and window of 4 MiB each, 2 × (the largest
  // frame of 1 MiB and a chunk). The inbox takes up to twice the window, as a message that a full
  // chunk cuts moves to the next.
  constexpr std::int64_t most = 4 * mebibyte + 2 * 4 * mebibyte + 2 * (mebibyte + mebibyte / 16);
  talk server({PARLEY_TALKER_PATH, "serve", "0", "heartbeat=1000", "paused=1", "size=1000",
               "interval=100"});
  const auto port = server.next("listening ").substr(10);
  talk client({PARLEY_TALKER_PATH, "dial", port, "heartbeat=1000", "size=1000"});
  server.moment_of("connected");
  client.moment_of("connected");
  const auto until = std::chrono::steady_clock::now() + length;
  std::int64_t most_boxes = 0;
  std::int64_t most_resident = 0;
  while (std::chrono::steady_clock::now() < until) {
    pass(std::min<std::chrono::milliseconds>(std::chrono::milliseconds(length) / 10, 10s));
    for (talk* side : {&server, &client}) {
      const auto line = side->ask();
      most_boxes = std::max(most_boxes, talk::number(line, "boxes="));
      most_resident = std::max(most_resident, talk::number(line, "resident="));
      CHECK(talk::number(line, "round_trip_us=") < 1'000'000);  // pings are answered
    }
  }
  CHECK(server.count(" lost ") + client.count(" lost ") == 0);
  const auto stuck = talk::number(client.ask(), "said=");
  server.tell("read");
  client.tell("finish");
  server.tell("finish");
  const auto of_server = server.next("done");
  const auto of_client = client.next("done");
  std::printf(
      "nothing read for %lld s: at most %.1f MiB in the boxes (allowed %.1f), "
      "%.1f MiB resident, stuck at %lld messages; then\n  server %s\n  client %s\n",
      static_cast<long long>(length.count()), static_cast<double>(most_boxes) / mebibyte,
      static_cast<double>(most) / mebibyte, static_cast<double>(most_resident) / mebibyte,
      static_cast<long long>(stuck), of_server.c_str(), of_client.c_str());
  CHECK(most_boxes <= most);
  CHECK(talk::number(of_server, "heard=") == talk::number(of_client, "said="));
  CHECK(talk::number(of_client, "heard=") == talk::number(of_server, "said="));
  CHECK(talk::number(of_client, "undelivered=") == 0);
  CHECK(talk::number(of_server, "wrong=") + talk::number(of_client, "wrong=") == 0);
}

/// Connects and says nothing.
descriptor connect(std::uint16_t port) {
  descriptor s(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(s.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
    throw std::system_error(errno, std::generic_category(), "connect");
  return s;
}

/// Processor time that the process has used, in clock ticks of the system.
long ticks_of(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string word;
  long user = 0;
  long system = 0;
  for (int field = 1; field < 14 && stat >> word; ++field) continue;
  stat >> user >> system;
  return user + system;
}

/// A listener with 64 descriptors, so many silent callers, and a conversation that goes on.
void exhaust_descriptors(std::size_t callers, std::chrono::seconds length) {
  rlimit most{};
  ::getrlimit(RLIMIT_NOFILE, &most);
  most.rlim_cur = most.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &most);
  talk server({"sh", "-c", "ulimit -n 64; exec \"$0\" \"$@\"", PARLEY_TALKER_PATH, "serve", "0",
               "interval=10"});
  const auto port = server.next("listening ").substr(10);
  talk client({PARLEY_TALKER_PATH, "dial", port, "interval=10"});
  server.moment_of("connected");
  client.moment_of("connected");
  pass(200ms);
  server.ask();
  client.ask();

  std::vector<descriptor> silent;
  const auto number = static_cast<std::uint16_t>(std::stoi(port));
  const auto ticks = ticks_of(server.pid());
  const auto begun = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < callers; ++i) silent.push_back(connect(number));
  pass(length);
  const auto wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun);
  const double busy = static_cast<double>(ticks_of(server.pid()) - ticks) /
                      static_cast<double>(::sysconf(_SC_CLK_TCK)) / wall.count();
  const auto served = [&port] {
    const auto asked = std::chrono::steady_clock::now();
    talk honest({PARLEY_TALKER_PATH, "dial", port, "wait=5000"});
    honest.moment_of("connected");
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - asked).count();
  };
  const double during = served();
  silent.clear();
  const double after = served();
  const auto of_server = server.ask();
  const auto of_client = client.ask();
  std::printf(
      "64 descriptors, %zu silent callers, %.1f s: processor %.1f %%; an honest caller is "
      "in after %.3f s meanwhile, %.3f s afterwards\n  the conversation: %s\n%s\n",
      callers, wall.count(), busy * 100, during, after, of_server.c_str(), of_client.c_str());
  CHECK(busy < 0.05);
  CHECK(after < 1);
  CHECK(client.count(" lost ") == 0);
  CHECK(talk::number(of_server, "connections=") == 1);
  CHECK(talk::number(of_server, "longest_gap_us=") < 1'000'000);
  CHECK(talk::number(of_client, "longest_gap_us=") < 1'000'000);
}

}  // namespace

TEST_CASE("a program that reads nothing holds its peer back, and all arrives when it reads again") {
  read_nothing(3s);
}

TEST_CASE("a listener without descriptors does not spin, and serves again when there are some") {
#ifdef PARLEY_SANITIZED
  SKIP("a sanitizer needs descriptors of its own");
#endif
  exhaust_descriptors(200, 2s);
}

TEST_CASE("nothing read for 10 minutes", "[.full]") { read_nothing(600s); }

TEST_CASE("1,000 callers at 64 descriptors", "[.full]") { exhaust_descriptors(1000, 10s); }

}  // namespace limits_test
