#include "crowds.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "crowd.hpp"

namespace bench {
namespace {

std::vector<crowd> wanted(const settings& s) {
  std::vector<crowd> all{idle_crowd(s), busy_crowd(s), set_up_crowd(s), mixed_crowd(s)};
#ifdef PARLEY_BENCH_HAS_OPENSSL
  all.push_back(idle_tls_crowd(s));
#endif
  std::erase_if(all, [&](const crowd& c) {
    const auto asked = [&](const std::string& group) { return s.wants(group); };
    return !s.wants(c.title) && std::none_of(c.groups.begin(), c.groups.end(), asked);
  });
  return all;
}

void add(const reading& r, rows& all) {
  const auto same = [&](const row& o) {
    return o.group == r.group && o.size == r.size && o.contender == r.contender;
  };
  auto at = std::find_if(all.begin(), all.end(), same);
  if (at == all.end()) at = all.insert(at, {r.group, r.size, r.contender, r.unit, {}});
  at->rounds.push_back(r.value);
}

}  // namespace

rows measure_crowds(const settings& s, progress& p) {
  rows all;
  for (const crowd& c : wanted(s)) {
    p.begin(c.title);
    for (int round = 1; round <= s.rounds; ++round) {
      p.step("round " + std::to_string(round) + "/" + std::to_string(s.rounds));
      for (const auto& measure : c.contenders)
        for (const reading& r : measure()) add(r, all);
    }
  }
  return all;
}

std::size_t crowds_parts(const settings& s) { return wanted(s).size(); }

}  // namespace bench
