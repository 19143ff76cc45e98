#pragma once

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "support/process.hpp"

namespace parley::test {

using words = std::vector<std::string>;

inline words operator+(words left, const words& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

/// The folder of this run, in which the programs keep their identities and whom they know.
inline const std::string& config_home() {
  static const scratch folder;
  static const std::string path = folder / "config";
  return path;
}
/// So that no program touches the files of who runs the tests.
inline const bool config_home_is_set =
    ::setenv("XDG_CONFIG_HOME", config_home().c_str(), 1) == 0;  // NOLINT(concurrency-mt-unsafe)

/// The command for parley-server on a port that the system chooses, on loopback alone.
[[nodiscard]] inline words server_command(const words& more = {}) {
  return words{PARLEY_SERVER_PATH, "--bind", "127.0.0.1", "--port", "0"} + more;
}

/// The command for parley-client to that server.
[[nodiscard]] inline words client_command(const std::string& port, const words& more = {}) {
  return words{PARLEY_CLIENT_PATH, "127.0.0.1:" + port} + more;
}

/// The port that a server says it listens on, after `mark`; waits until it does.
[[nodiscard]] inline std::string port_of(process& server,
                                         std::string_view mark = "listening on port ") {
  server.read_errors_until(mark);
  const auto at = server.errors().find(mark) + mark.size();
  while (server.errors().find('\n', at) == std::string::npos) server.read_some();
  const auto end = server.errors().find_first_not_of("0123456789", at);
  return server.errors().substr(at, end - at);
}

/// Makes the programs' identities, which they would tell of when they need them first.
inline void make_identities() {
  for (const auto* program : {PARLEY_SERVER_PATH, PARLEY_CLIENT_PATH}) {
    process p(words{program, "--print-id"});
    REQUIRE(p.finish() == 0);
  }
}

/// `count` lines of 1 to `longest` bytes that are no line feed; the same for the same seed.
[[nodiscard]] inline std::string random_lines(unsigned seed, std::size_t count,
                                              std::size_t longest) {
  std::mt19937 random(seed);
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t left = 1 + random() % longest; left > 0; --left) {
      const char byte = static_cast<char>(random());
      text += byte == '\n' ? ' ' : byte;
    }
    text += '\n';
  }
  return text;
}

[[nodiscard]] inline std::size_t count_lines(std::string_view text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace parley::test
