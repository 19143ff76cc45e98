// How often a conversation calls the system, counted from outside. No time is measured.

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>

#include <parley/detail/loop.hpp>
#include <parley/options.hpp>
#include <parley/protocol/chunks.hpp>

#include "cost/signpost.hpp"
#include "cost/system_calls.hpp"
#include "cost/two_ends.hpp"

namespace system_calls_test {

using namespace parley::test;
using parley::peer;

namespace {

/// The most, of both sides together. Each writes and waits once, and reads.
constexpr std::uint64_t most_calls_per_turn = 8;
constexpr std::uint64_t warm_up_turns = 100;
constexpr std::uint64_t turns = 1000;
/// For timers, which go by the clock and not by turns.
constexpr std::uint64_t now_and_then = turns / 20;

/// Several times what the boxes hold, so both sides are as they stay.
constexpr std::uint64_t warm_up_messages = 400'000;
constexpr std::uint64_t messages = 200'000;
/// The most, of both sides together: 0.002 a message.
constexpr std::uint64_t most_calls = messages * 2 / 1'000;

/// A program that takes long gives others a turn each 100 us, whatever it has received until then:
/// a call each. How long all of it takes is up to the machine, and to being watched.
std::uint64_t turns_given_in(std::chrono::nanoseconds time) {
  constexpr auto share = (warm_up_messages + messages) / messages;
  return static_cast<std::uint64_t>(time / parley::detail::slow) / share;
}

asio::awaitable<void> ask(peer& p) {
  for (std::uint64_t i = 0; i < warm_up_turns + turns; ++i) {
    if (i == warm_up_turns) mark_system_calls();
    co_await p.send(body);
    const auto answer = co_await p.receive();
    if (!answer || answer->body != body) throw std::runtime_error("not what was said");
  }
  mark_system_calls();
}

asio::awaitable<void> answer(peer& p) {
  for (std::uint64_t i = 0; i < warm_up_turns + turns; ++i) {
    const auto question = co_await p.receive();
    if (!question) throw std::runtime_error("no more questions");
    // Here and there between two messages, as on the other side.
    if (i == warm_up_turns || i + 1 == warm_up_turns + turns) mark_system_calls();
    co_await p.send(question->body);
  }
}

/// Queues so many messages without waiting and counts until the other side has them all.
asio::awaitable<void> say_in_one_go(peer& p, std::uint64_t count) {
  mark_system_calls();
  for (std::uint64_t i = 0; i < count; ++i)
    if (p.try_send(body) != parley::send_result::queued) throw std::runtime_error("no room");
  const bool delivered = co_await p.delivered(p.last_receipt());
  mark_system_calls();
  if (!delivered) throw std::runtime_error("not delivered");
}

asio::awaitable<void> hear(peer& p, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto m = co_await p.receive();
    if (!m) throw std::runtime_error("one is missing");
  }
}

/// What the two have called between their marks: who dials, and who listens.
std::array<system_calls, 2> count(const talk& dials, const talk& listens) {
  const signpost where;
  return count_system_calls([&] { run_alone(dial_and_talk(where, dials)); },
                            [&] { run_alone(listen_and_talk(where, listens)); });
}

}  // namespace

TEST_CASE("a question and its answer cost at most eight system calls") {
  const auto [asks, answers] = count(ask, answer);
  INFO("asks:" << asks.by_number());
  INFO("answers:" << answers.by_number());
  CHECK(asks.writes() == turns);
  CHECK(asks.all() + answers.all() <= most_calls_per_turn * turns + now_and_then);
}

TEST_CASE("a stream of small messages hardly ever calls the system") {
  const auto calls = GENERATE(style::tries, style::awaits);
  const stream s{calls, warm_up_messages, messages, mark_system_calls};
  // To be watched slows each call down, and a busy machine adds to it: one good run of three will
  // do.
  bool good = false;
  for (int run = 0; run < 3 && !good; ++run) {
    const auto begun = std::chrono::steady_clock::now();
    const auto [sends, receives] = count([&](peer& p) { return send_stream(p, s); },
                                         [&](peer& p) { return receive_stream(p, s); });
    const auto most = most_calls + turns_given_in(std::chrono::steady_clock::now() - begun);
    UNSCOPED_INFO(to_string(calls) << ", at most " << most << ", sends:" << sends.by_number()
                                   << ", receives:" << receives.by_number());
    CHECK(sends.writes() > 0);
    good = sends.all() + receives.all() <= most;
  }
  CHECK(good);
}

TEST_CASE("messages queued in one go leave in no more writes than the chunks they fill") {
  const auto count_queued = GENERATE(as<std::uint64_t>(), 1'000, 10'000);
  const std::uint64_t in_a_chunk =
      parley::protocol::chunk_size / (body.size() + parley::message_overhead);
  const auto [says, hears] = count([&](peer& p) { return say_in_one_go(p, count_queued); },
                                   [&](peer& p) { return hear(p, count_queued); });
  INFO("says:" << says.by_number());
  CHECK(says.writes() > 0);
  CHECK(says.writes() <= (count_queued + in_a_chunk - 1) / in_a_chunk);
  CHECK(hears.all() == 0);  // it has no marks
}

}  // namespace system_calls_test
