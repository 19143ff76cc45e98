// A link that dies is noticed in time, never falsely, and used again at once when it returns.

#include <poll.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "prove/talk.hpp"
#include "support/random.hpp"
#include "support/two_hosts.hpp"

namespace link_test {

namespace {

using namespace std::chrono_literals;
using parley::test::random;
using parley::test::talk;
using parley::test::two_hosts;
using words = std::vector<std::string>;

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Lets time pass: an outage has a length, nobody waits for anything.
void pass(std::int64_t us) { ::poll(nullptr, 0, static_cast<int>(us / 1000)); }

words talker(const words& more) {
  words all{PARLEY_TALKER_PATH};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// Times of one kind, in milliseconds.
class figures {
 public:
  void add(std::int64_t us) { all_.push_back(static_cast<double>(us) / 1000); }
  [[nodiscard]] double at(double share) const {
    auto sorted = all_;
    std::sort(sorted.begin(), sorted.end());
    const auto index =
        static_cast<std::size_t>(std::lround(share * static_cast<double>(sorted.size() - 1)));
    return sorted.at(index);
  }
  void print(const char* what) const {
    std::printf("  %s: n %zu, median %.1f ms, p99 %.1f ms, most %.1f ms\n", what, all_.size(),
                at(0.5), at(0.99), at(1));
    std::fflush(stdout);
  }

 private:
  std::vector<double> all_;
};

struct trial_plan {
  int trials;
  std::int64_t heartbeat_ms;
  std::int64_t longest_extra_ms;  ///< of the outage, after both sides have noticed
};

/// Cuts the cable again and again; every loss must be noticed by both within 2.5 heartbeats + 1 s.
void pull_the_cable(const trial_plan& plan) {
  const two_hosts hosts;
  const std::string heartbeat = "heartbeat=" + std::to_string(plan.heartbeat_ms);
  talk server(hosts.on_right(talker({"serve", "0", "host=0.0.0.0", "interval=10", heartbeat})));
  const auto port = server.next("listening ").substr(10);
  const std::string host = "host=" + std::string(two_hosts::right_address);
  talk client(hosts.on_left(talker({"dial", port, host, "interval=10", heartbeat})));
  server.moment_of("connected");
  client.moment_of("connected");

  random rng(1);
  figures noticed;
  figures back;
  const std::int64_t most_us = plan.heartbeat_ms * 2500 + 1'000'000;
  for (int i = 0; i < plan.trials; ++i) {
    pass(static_cast<std::int64_t>(rng.between(100'000, 600'000)));
    hosts.pull();
    const auto pulled = now_us();
    for (talk* side : {&client, &server}) {
      const auto after = side->moment_of("lost") - pulled;
      noticed.add(after);
      CHECK(after <= most_us);
    }
    pass(static_cast<std::int64_t>(
        rng.below(static_cast<std::uint64_t>(plan.longest_extra_ms) * 1000)));
    const auto before = now_us();
    hosts.plug();
    // Between the two the switch forwards again; the later moment is not in our favour.
    for (talk* side : {&client, &server}) back.add(side->moment_of("flows") - before);
  }
  std::printf("cable pulled %d times, heartbeat %lld ms (allowed %.0f ms):\n", plan.trials,
              static_cast<long long>(plan.heartbeat_ms), static_cast<double>(most_us) / 1000);
  noticed.print("noticed after");
  back.print("messages flow again after");
  CHECK(back.at(0.99) < 250);
}

/// The moment of the first such event since then; who was stopped before tells of that late.
std::int64_t first_since(talk& side, std::string_view event, std::int64_t since) {
  auto moment = side.moment_of(event);
  while (moment < since) moment = side.moment_of(event);
  return moment;
}

/// Stops one of the processes and lets it go on, in turn.
void stop_the_process(const trial_plan& plan) {
  const std::string heartbeat = "heartbeat=" + std::to_string(plan.heartbeat_ms);
  talk server(talker({"serve", "0", "interval=10", heartbeat}));
  const auto port = server.next("listening ").substr(10);
  talk client(talker({"dial", port, "interval=10", heartbeat}));
  server.moment_of("connected");
  client.moment_of("connected");

  random rng(2);
  figures noticed;
  figures back;
  const std::int64_t most_us = plan.heartbeat_ms * 2500 + 1'000'000;
  for (int i = 0; i < plan.trials; ++i) {
    pass(static_cast<std::int64_t>(rng.between(100'000, 600'000)));
    talk& stopped = i % 2 == 0 ? server : client;
    talk& other = i % 2 == 0 ? client : server;
    stopped.signal(SIGSTOP);
    const auto since = now_us();
    const auto after = first_since(other, "lost", since) - since;
    noticed.add(after);
    CHECK(after <= most_us);
    pass(static_cast<std::int64_t>(
        rng.below(static_cast<std::uint64_t>(plan.longest_extra_ms) * 1000)));
    const auto before = now_us();
    stopped.signal(SIGCONT);
    back.add(first_since(other, "flows", before) - before);
  }
  std::printf("process stopped %d times, heartbeat %lld ms (allowed %.0f ms):\n", plan.trials,
              static_cast<long long>(plan.heartbeat_ms), static_cast<double>(most_us) / 1000);
  noticed.print("noticed after");
  back.print("messages flow again after");
  CHECK(back.at(0.99) < 250);
}

/// Both sides talk without pause over a link of that many megabits; one process in turn is stopped
/// for a second in every ten.
void saturate(std::chrono::seconds length, int megabits) {
  const two_hosts hosts;
  try {
    hosts.limit(megabits);
  } catch (const std::runtime_error& e) {
    SKIP("this kernel cannot limit a link's rate: " << e.what());
  }
  const words pace{"heartbeat=1000", "size=4000"};
  talk server(hosts.on_right(talker({"serve", "0", "host=0.0.0.0", pace[0], pace[1]})));
  const auto port = server.next("listening ").substr(10);
  const std::string host = "host=" + std::string(two_hosts::right_address);
  talk client(hosts.on_left(talker({"dial", port, host, pace[0], pace[1]})));
  server.moment_of("connected");
  client.moment_of("connected");
  const auto until = std::chrono::steady_clock::now() + length;
  for (int i = 0; std::chrono::steady_clock::now() < until; ++i) {
    talk& stopped = i % 2 == 0 ? server : client;
    stopped.signal(SIGSTOP);
    pass(1'000'000);
    stopped.signal(SIGCONT);
    pass(std::min<std::int64_t>(9'000'000, length.count() * 100'000));
  }
  const auto of_server = server.ask();
  const auto of_client = client.ask();
  std::printf(
      "saturated for %lld s, %d Mbit/s, heartbeat 1 s, stopped for 1 s in 10:\n  server %s\n"
      "  client %s\n  lost %zu times\n",
      static_cast<long long>(length.count()), megabits, of_server.c_str(), of_client.c_str(),
      server.count(" lost ") + client.count(" lost "));
  CHECK(server.count(" lost ") == 0);
  CHECK(client.count(" lost ") == 0);
  CHECK(talk::number(of_server, "connections=") == 1);
  CHECK(talk::number(of_server, "heard=") > 1000);
  CHECK(talk::number(of_client, "heard=") > 1000);
}

void require_hosts() {
  if (!two_hosts::possible()) SKIP("needs root, iproute2 and network namespaces");
}

}  // namespace

TEST_CASE("a cable that is pulled is noticed by both sides, and messages flow when it is back") {
  require_hosts();
  pull_the_cable({3, 200, 1000});
}

TEST_CASE("a process that is stopped is noticed by the other, and messages flow when it goes on") {
  stop_the_process({4, 200, 1000});
}

TEST_CASE("a saturated link is not taken for a dead one") {
  require_hosts();
  saturate(10s, 200);
}

TEST_CASE("cable pulled 100 times", "[.full]") {
  require_hosts();
  pull_the_cable({100, 400, 1500});
}

TEST_CASE("process stopped 100 times", "[.full]") { stop_the_process({100, 400, 1500}); }

TEST_CASE("cable pulled at the default heartbeat", "[.full]") {
  require_hosts();
  pull_the_cable({5, 5000, 3000});
}

TEST_CASE("saturated for 10 minutes", "[.full]") {
  require_hosts();
  saturate(600s, 200);
}

}  // namespace link_test
