#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "contender.hpp"
#include "placement.hpp"

namespace bench {

/// What contenders are compared in: the same work, size and place for all of them.
struct heat {
  trial what;
  placement where = placement::two_cores;
  bool encrypted = false;  ///< over TLS, which only those take part in that speak it
};

/// "32 B", "64 KiB".
[[nodiscard]] inline std::string size_text(std::size_t bytes) {
  constexpr std::size_t kib = 1024;
  return bytes < kib ? std::to_string(bytes) + " B" : std::to_string(bytes / kib) + " KiB";
}

/// The groups of the rows that a heat gives: a ping-pong's are of its median and of its worst.
[[nodiscard]] inline std::vector<std::string> groups_of(const heat& h) {
  const std::string over = h.encrypted ? ", TLS" : "";
  switch (h.what.what) {
    case work::ping_pong:
      return {"ping-pong p50, " + to_string(h.where) + over,
              "ping-pong p99, " + to_string(h.where) + over};
    case work::one_way: return {"one-way stream" + over};
    case work::both_ways: return {"both-way stream" + over};
    case work::echo: break;
  }
  return {"echo, " + std::to_string(h.what.outstanding) + " outstanding" + over};
}

/// What the heats that differ in nothing but the size have in common.
[[nodiscard]] inline std::string kind_of(const heat& h) {
  if (h.what.what != work::ping_pong) return groups_of(h).front();
  return "ping-pong, " + to_string(h.where) + (h.encrypted ? ", TLS" : "");
}

[[nodiscard]] inline std::string title(const heat& h) {
  return kind_of(h) + ", " + size_text(h.what.size);
}

[[nodiscard]] inline std::vector<heat> all_heats() {
  std::vector<heat> all;
  for (const auto where : {placement::one_core, placement::two_cores})
    for (const std::size_t size : {32U, 1024U, 65536U})
      all.push_back({{.what = work::ping_pong, .size = size}, where});
  for (const auto what : {work::one_way, work::both_ways})
    for (const std::size_t size : {32U, 256U, 4096U, 65536U})
      all.push_back({{.what = what, .size = size}});
  all.push_back({{.what = work::echo, .size = 32, .outstanding = 100}});
  all.push_back({{.what = work::ping_pong, .size = 32}, placement::one_core, true});
  for (const std::size_t size : {32U, 256U, 4096U, 65536U})
    all.push_back({{.what = work::both_ways, .size = size}, placement::two_cores, true});
  return all;
}

}  // namespace bench
