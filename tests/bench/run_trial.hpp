#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "child.hpp"
#include "contender.hpp"
#include "notes.hpp"
#include "placement.hpp"

namespace bench {

/// Longer than any trial takes; only one that hangs does.
inline constexpr std::chrono::seconds patience{60};

[[nodiscard]] inline std::string encode(const figures& f) {
  std::vector<std::int64_t> numbers{f.elapsed.count()};
  for (const auto turn : f.turns) numbers.push_back(turn.count());
  std::string text(numbers.size() * sizeof numbers[0], '\0');
  std::memcpy(text.data(), numbers.data(), text.size());
  return text;
}

[[nodiscard]] inline figures decode(std::string_view text) {
  std::vector<std::int64_t> numbers(text.size() / sizeof(std::int64_t));
  std::memcpy(numbers.data(), text.data(), numbers.size() * sizeof numbers[0]);
  figures f;
  f.elapsed = std::chrono::nanoseconds(numbers.at(0));
  for (std::size_t i = 1; i < numbers.size(); ++i) f.turns.emplace_back(numbers[i]);
  return f;
}

/// What the server has to add where the client failed: often the cause.
[[nodiscard]] inline std::string last_words(child& server) {
  try {
    server.finish(std::chrono::steady_clock::now() + std::chrono::seconds(1));
    return "";
  } catch (const std::exception& e) {
    return std::string("; ") + e.what();
  }
}

/// Runs one trial: a process for each end, each on its core. Throws `std::runtime_error` where one
/// of them fails or hangs; both are gone when this returns.
[[nodiscard]] inline figures run_trial(contender& who, const trial& t, placement where) {
  const auto cores = usable_cores();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  child server("the server", cores.at(0), [&](int pipe) {
    who.serve(t, [pipe](const std::string& a) { write_note(pipe, note::kind::address, a); });
  });
  const std::string address = server.expect(note::kind::address, deadline);
  child client("the client", cores.at(where == placement::one_core ? 0 : 1), [&](int pipe) {
    write_note(pipe, note::kind::figures, encode(who.call(t, address)));
  });
  // A client may wait long for a server that has failed.
  if (!client.comes_before(server, deadline)) server.finish(deadline);
  figures seen;
  try {
    seen = decode(client.expect(note::kind::figures, deadline));
    client.finish(deadline);
  } catch (const std::exception& e) {
    throw std::runtime_error(e.what() + last_words(server));
  }
  server.finish(deadline);
  return seen;
}

}  // namespace bench
