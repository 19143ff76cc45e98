// Any schedule of two sessions: who speaks, listens, reads and writes when, how much, and where
// connections break. What must arrive arrives, and the invariants of session_pair.hpp hold after
// every step. The first three bytes choose the plan, each further one is a decision; where they
// end, a seed goes on to the end. Conversations are short, so that many of them are tried: the long
// ones are the simulator's.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <span>

#include "support/decisions.hpp"
#include "support/pair_plan.hpp"
#include "support/session_pair.hpp"

namespace {

using parley::test::decisions;
using parley::test::pair_plan;
using parley::test::session_pair;

constexpr std::size_t plan_size = 3;

/// One of `choices`, by the lowest bits of `bits`, which are used up.
template <std::size_t Size>
std::size_t choose(unsigned& bits, const std::array<std::size_t, Size>& choices) {
  const std::size_t choice = choices[bits % Size];
  bits /= Size;
  return choice;
}

/// 1 to 4 messages each way, up to 3 broken connections, and perhaps a side that dies.
pair_plan plan_of(std::span<const std::uint8_t, plan_size> bytes) {
  const unsigned course = bytes[1];
  pair_plan plan(0);
  plan.texts = std::uint64_t{bytes[0]} << 8U;
  plan.messages = 1 + course % 4;
  plan.cuts = course / 4 % 4;
  plan.dies_after = course < 128 ? 0 : 1 + course / 16 % (2 * plan.messages);
  unsigned shape = bytes[2];
  const bool crosses_chunks = shape % 8 == 7;  // a few of these bodies fill one
  constexpr std::array<std::size_t, 8> bodies{20, 100, 1000, 20, 100, 1000, 100, 40'000};
  plan.largest_body = bodies[shape % 8];
  plan.long_ones = crosses_chunks ? 1 : 3;
  plan.slice = choose<8>(shape, {40, 80, 4096, 4096, 40, 200'000, 200'000, 200'000});
  plan.delay_us = choose<4>(shape, {0, 50, 1000, 65'536});
  plan.laziness = choose<2>(shape, {1, 3});
  plan.pause_us = 100;
  for (auto& o : plan.settings) {
    const std::size_t least = plan.largest_body + parley::message_overhead;
    o.max_message = plan.largest_body;
    o.window = choose<2>(shape, {least, 4 * least});
    o.outbox = o.window;
    o.heartbeat = std::chrono::milliseconds(200);
    o.handshake_timeout = std::chrono::milliseconds(1000);
  }
  return plan;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < plan_size) return 0;
  const std::span bytes(data, size);
  session_pair run(plan_of(bytes.first<plan_size>()), decisions(bytes.subspan(plan_size), data[0]));
  const auto outcome = run.play();
  if (outcome == session_pair::kept) return 0;
  std::cerr << outcome << '\n';
  std::abort();
}
