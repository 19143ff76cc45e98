#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

/// What the command line asks for.
struct settings {
  int rounds = 11;
  bool quick = false;
  std::string only;  ///< a part of the names of groups or contenders; empty: all
  std::string with;  ///< a file of rows that something else has measured; empty: none
  std::string json;  ///< the file to write; empty: none

  [[nodiscard]] bool wants(std::string_view name) const { return name.find(only) != name.npos; }
};

/// How long one trial is to take.
struct effort {
  std::chrono::milliseconds stream{150};
  std::chrono::milliseconds ping_pong{100};
  std::uint64_t fewest_turns = 2000;  ///< of a ping-pong, so that there is a p99
};

[[nodiscard]] inline effort effort_of(const settings& s) {
  using std::chrono::milliseconds;
  return s.quick ? effort{milliseconds(15), milliseconds(10), 200} : effort{};
}

}  // namespace bench
