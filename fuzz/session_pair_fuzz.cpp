// Any schedule of two sessions: who speaks, listens, reads and writes when, how much, and where
// connections break. What must arrive arrives, and the rules of DESIGN section 6 hold after every
// step. The first two bytes choose the plan; where the rest ends, a seed goes on to the end.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <span>

#include "support/decisions.hpp"
#include "support/pair_plan.hpp"
#include "support/session_pair.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using parley::test::decisions;
  using parley::test::pair_plan;
  using parley::test::session_pair;
  if (size < 2) return 0;
  const std::uint8_t seed = data[0];
  const std::uint8_t kind = data[1];
  auto plan = pair_plan::broken(seed, 20, kind % 16);
  if (kind >= 128) plan.dies_after = 1 + kind % 20;
  session_pair run(plan, decisions(std::span(data, size).subspan(2), seed));
  const auto outcome = run.play();
  if (outcome == session_pair::kept) return 0;
  std::cerr << outcome << '\n';
  std::abort();
}
