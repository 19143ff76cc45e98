// Thousands who call and do not greet, and millions of frames that say nothing: what they cost the
// listener, and what those notice of it who behave.

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <parley/protocol/greeting.hpp>

#include "prove/siege.hpp"
#include "prove/talk.hpp"
#include "support/bytes.hpp"
#include "support/process.hpp"

namespace siege_test {

namespace {

using namespace std::chrono_literals;
using namespace parley::test;
using clock_type = std::chrono::steady_clock;

/// What is played at full length has bars; here only what hangs fails.
constexpr std::chrono::seconds on_a_busy_machine{20};

void pass(std::chrono::milliseconds d) { ::poll(nullptr, 0, static_cast<int>(d.count())); }

double seconds_since(clock_type::time_point t) {
  return std::chrono::duration<double>(clock_type::now() - t).count();
}

/// This process and the listener have a descriptor for each. Raises the limit, or skips.
void require_descriptors(std::size_t callers) {
  const rlim_t needed = callers + 500;
  rlimit most{};
  ::getrlimit(RLIMIT_NOFILE, &most);
  if (most.rlim_max < needed)
    SKIP("this machine allows " << most.rlim_max << " open files, this needs " << needed);
  most.rlim_cur = most.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &most);
}

std::size_t descriptors_of(pid_t pid) {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& fd :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd"))
    ++n;
  return n;
}

/// A listener, a conversation that is under way, and two who call again and again and are let in:
/// one from where the besiegers come from, one from elsewhere.
struct town {
  explicit town(bool with_tls, const std::string& timeout, const std::string& silent)
      : tls(with_tls ? "tls=1" : "tls=0"),
        keeper({PARLEY_PORTER_PATH, "keep", "0", tls, "resume=0", timeout, silent}),
        port(keeper.next("listening ").substr(10)),
        stayer({PARLEY_PORTER_PATH, "stay", port, tls, "pause=10", "from=127.250.0.1"}),
        neighbour({PARLEY_PORTER_PATH, "visit", port, tls, "wait=20000", "from=127.1.0.1"}),
        stranger({PARLEY_PORTER_PATH, "visit", port, tls, "wait=20000", "from=127.250.0.2"}) {
    stayer.next("welcomed");
    for (talk* caller : {&neighbour, &stranger})
      while (talk::number(caller->ask(), "served=") < 5) pass(20ms);
    before_kib = talk::number(keeper.ask(), "kib=");
    before_descriptors = descriptors_of(keeper.pid());
  }

  [[nodiscard]] std::uint16_t number() const { return static_cast<std::uint16_t>(std::stoi(port)); }
  [[nodiscard]] std::int64_t grown_kib() { return talk::number(keeper.ask(), "kib=") - before_kib; }

  /// What those who behave have noticed; printed, and held against the bars.
  void judge(std::chrono::microseconds patience) {
    const auto of_stranger = stranger.ask();
    const auto of_neighbour = neighbour.ask();
    const auto of_stayer = stayer.ask();
    std::printf("  stranger  %s\n  neighbour %s\n  stayer    %s\n  keeper    %s\n",
                of_stranger.c_str(), of_neighbour.c_str(), of_stayer.c_str(), keeper.ask().c_str());
    for (const auto& line : {of_stranger, of_neighbour, of_stayer}) {
      CHECK(talk::number(line, "unserved=") == 0);
      CHECK(talk::number(line, "lost=") == 0);
      CHECK(talk::number(line, "longest_us=") < patience.count());
    }
  }

  std::string tls;
  talk keeper;
  std::string port;
  talk stayer, neighbour, stranger;
  std::int64_t before_kib = 0;
  std::size_t before_descriptors = 0;
};

struct plan {
  bool tls = false;
  bool drips = false;
  bool from_everywhere = true;
  bool again = true;  ///< who is sent away comes back, as long as it lasts
  std::size_t callers = 10'000;
  std::chrono::milliseconds length = 60s;
  std::chrono::milliseconds deadline = 5s;  ///< of a greeting
  std::size_t silent = 4096;                ///< that the listener puts up with
  std::chrono::microseconds patience = 1s;  ///< of those who behave, and behind the deadline
};

/// The beginning of what a caller says who is in no hurry.
std::string begun_greeting(bool tls) {
  constexpr std::size_t enough = 100;  // more than one byte a second is said anywhere here
  const auto hello = header_of(0x01, 400) + "parley" + std::string(enough, '\0');
  return tls ? hex("16 03 01 01ff 01 0001fb 0303") + std::string(enough, '\0') : hello;
}

void besiege(const plan& p) {
  constexpr std::int64_t most_kib = 25 * 1024;  // what a listener may grow by
  require_descriptors(p.callers);
  town t(p.tls, "handshake=" + std::to_string(p.deadline.count()),
         "silent=" + std::to_string(p.silent));

  const auto begun = clock_type::now();
  siege s(t.number(),
          {p.callers, p.from_everywhere, p.again, p.drips ? begun_greeting(p.tls) : std::string()});
  const double calling = seconds_since(begun);
  auto last_call = clock_type::now();
  std::int64_t most = 0;
  std::size_t most_inside = 0;
  for (auto next = begun; clock_type::now() < begun + p.length && (p.again || s.inside() != 0);) {
    const auto calls = s.calls();
    s.step();
    if (s.calls() != calls) last_call = clock_type::now();
    most = std::max(most, t.grown_kib());
    most_inside = std::max(most_inside, s.inside());
    next += 1s;
    while (clock_type::now() < next) {
      most = std::max(most, t.grown_kib());
      pass(50ms);
    }
  }
  s.relent();
  const auto deadline = last_call + p.deadline + p.patience;
  while (s.inside() != 0 && clock_type::now() < deadline) {
    s.step();
    pass(50ms);
  }
  std::printf(
      "%zu %s callers from %s, %s, greeting due in %.0f s: %zu calls, the first %zu in %.2f s; "
      "%.1f s; the listener grew by %.1f MiB at most; %zu left at the end, %.1f s after the last "
      "call\n",
      p.callers, p.drips ? "dripping" : "silent", p.from_everywhere ? "everywhere" : "one address",
      p.tls ? "TLS" : "framed", static_cast<double>(p.deadline.count()) / 1000, s.calls(),
      p.callers, calling, seconds_since(begun), static_cast<double>(most) / 1024, s.inside(),
      seconds_since(last_call));
  CHECK(s.inside() == 0);
  CHECK(s.sent_away() == s.calls());
#ifndef PARLEY_SANITIZED
  CHECK(most < most_kib);
#endif
  // Each of the two who come and go may have one that comes and one that goes.
  CHECK(descriptors_of(t.keeper.pid()) <= t.before_descriptors + 4);
  t.judge(p.patience);
}

// --- frames that say nothing ---------------------------------------------------------------------

/// A conversation of its own with the listener, of which only the flood is of interest.
descriptor converse(std::uint16_t port, std::uint32_t number) {
  auto s = connect_from(local_address(number), port);
  ::fcntl(s.get(), F_SETFL, 0);  // it blocks from here on
  parley::protocol::frame::hello h;
  h.session.fill(0xf1);
  std::memcpy(h.session.data(), &number, sizeof number);
  h.attempt = 1;
  h.window = 1U << 20U;
  h.max_message = 1U << 16U;
  h.heartbeat_ms = 5000;
  const auto hello = parley::protocol::frame::encode(h);
  std::array<char, 512> welcome{};
  if (::send(s.get(), hello.data(), hello.size(), MSG_NOSIGNAL) < 0 ||
      ::recv(s.get(), welcome.data(), welcome.size(), 0) < 5 || welcome[3] != 0x02)
    throw std::runtime_error("not welcomed");
  return s;
}

/// Sends that again and again, over as many conversations as it takes, until so many frames have
/// gone out; how many conversations that took.
std::uint32_t flood(std::uint16_t port, const std::string& frame, std::size_t frames) {
  constexpr std::size_t at_once = 64 << 10U;
  std::string block;
  while (block.size() < at_once) block += frame;
  std::uint32_t conversations = 0;
  std::size_t bytes = 0;
  while (bytes < frames * frame.size()) {
    const auto s = converse(port, conversations++);
    ssize_t n = 0;
    for (std::size_t from = 0; n >= 0 && bytes < frames * frame.size();
         from = (from + static_cast<std::size_t>(std::max<ssize_t>(n, 0))) % block.size()) {
      n = ::send(s.get(), block.data() + from, block.size() - from, MSG_NOSIGNAL);
      if (n > 0) bytes += static_cast<std::size_t>(n);
    }
  }
  return conversations;
}

void flood_all(std::size_t frames, std::chrono::microseconds patience) {
  struct kind {
    const char* name;
    std::string bytes;
    bool cut_off = true;
  };
  const std::vector<kind> kinds{{"pings", ping_frame(7, 0)},
                                {"acks of nothing", ack_frame(0)},
                                {"empty frames to skip", header_of(0x40, 0)},
                                {"acks of length 0", header_of(0x04, 0)},
                                {"repeats of an empty message", message_frame(0, ""), false}};
  for (const auto& k : kinds) {
    constexpr std::int64_t most_kib = 1024;  // what a listener may grow by
    town t(false, "handshake=5000", "silent=4096");
    (void)flood(t.number(), k.bytes, 1000);  // what the first one takes is kept for others
    t.before_kib = talk::number(t.keeper.ask(), "kib=");
    const auto begun = clock_type::now();
    const auto conversations = flood(t.number(), k.bytes, frames);
    const auto grown = t.grown_kib();
    std::printf("%zu %s in %.2f s over %u conversations: the listener grew by %lld KiB\n", frames,
                k.name, seconds_since(begun), conversations, static_cast<long long>(grown));
    CHECK((conversations > 1) == k.cut_off);
#ifndef PARLEY_SANITIZED
    CHECK(grown < most_kib);
#endif
    t.judge(patience);
  }
}

}  // namespace

TEST_CASE("a flood of frames that say nothing is cut off, and nobody else notices") {
  flood_all(1'000'000, on_a_busy_machine);
}

TEST_CASE("10 million frames of each kind that says nothing", "[.full]") {
  flood_all(10'000'000, 1s);
}

TEST_CASE("callers who do not greet cost little and are gone in time, and others are served") {
  plan p;
  p.tls = GENERATE(false, true);
  p.drips = GENERATE(false, true);
  p.callers = 500;
  p.silent = 100;
  p.length = 2s;
  p.deadline = 1s;
  p.patience = on_a_busy_machine;
  besiege(p);
}

TEST_CASE("10,000 callers who do not greet, and come back for a minute", "[.full]") {
  plan p;
  p.tls = GENERATE(false, true);
  p.drips = GENERATE(false, true);
  besiege(p);
}

TEST_CASE("10,000 callers who do not greet, once, from one address", "[.full]") {
  plan p;
  p.tls = GENERATE(false, true);
  p.drips = GENERATE(false, true);
  p.from_everywhere = p.again = false;
  besiege(p);
}

TEST_CASE("10,000 silent callers for whom the listener has a minute", "[.full]") {
  plan p;
  p.tls = GENERATE(false, true);
  p.drips = GENERATE(false, true);
  p.again = false;
  p.deadline = 60s;
  p.length = 70s;
  besiege(p);
}

}  // namespace siege_test
