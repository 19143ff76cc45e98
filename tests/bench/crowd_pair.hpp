#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "child.hpp"
#include "contender.hpp"
#include "notes.hpp"
#include "placement.hpp"

namespace bench {

using numbers = std::vector<double>;
/// Tells the one who started it what an end has measured.
using report = std::function<void(const numbers&)>;

/// Two processes that fill a machine with conversations, each on its core. One of the ends measures
/// and reports; the other goes on until it is killed.
struct crowd_pair {
  enum class end { server, client };
  end measures = end::client;
  std::function<void(const announce&, const report&)> serve;
  std::function<void(const std::string& address, const report&)> call;
};

/// Longer than any crowd takes; only one that hangs does.
inline constexpr std::chrono::seconds crowd_patience{120};

[[nodiscard]] inline std::string encode(const numbers& all) {
  std::string text(all.size() * sizeof(double), '\0');
  std::memcpy(text.data(), all.data(), text.size());
  return text;
}

[[nodiscard]] inline numbers decode_numbers(std::string_view text) {
  numbers all(text.size() / sizeof(double));
  std::memcpy(all.data(), text.data(), all.size() * sizeof(double));
  return all;
}

/// Starts both, and gives what the one has measured. Throws `std::runtime_error` where one of them
/// fails or hangs; both are gone when this returns.
[[nodiscard]] inline numbers run_pair(const crowd_pair& pair) {
  const auto cores = usable_cores();
  const auto deadline = std::chrono::steady_clock::now() + crowd_patience;
  const auto reporter = [](int pipe) -> report {
    return [pipe](const numbers& n) { write_note(pipe, note::kind::figures, encode(n)); };
  };
  child server("the server", cores.front(), [&](int pipe) {
    const auto tell = [pipe](const std::string& a) { write_note(pipe, note::kind::address, a); };
    pair.serve(tell, reporter(pipe));
  });
  const std::string address = server.expect(note::kind::address, deadline);
  child client("the client", cores.back(), [&](int pipe) { pair.call(address, reporter(pipe)); });
  const bool at_server = pair.measures == crowd_pair::end::server;
  child& measuring = at_server ? server : client;
  child& other = at_server ? client : server;
  if (!measuring.comes_before(other, deadline)) other.finish(deadline);  // which throws why
  return decode_numbers(measuring.expect(note::kind::figures, deadline));
}

/// How many descriptors a process of ours may have; as many as the system allows from now on.
[[nodiscard]] inline std::size_t raise_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<std::size_t>(limit.rlim_cur);
}

/// So many conversations, or as many as there are descriptors for at `each` in one process.
[[nodiscard]] inline std::size_t affordable(std::size_t size, std::size_t each = 1) {
  constexpr std::size_t others = 100;
  return std::min(size, (std::max(raise_descriptors(), 2 * others) - others) / each);
}

/// An address of this machine for itself, another one each time: what is left of the last round's
/// connections stands in nobody's way.
[[nodiscard]] inline std::string loopback_address() {
  static int calls = 0;
  return "127.0.0." + std::to_string(1 + calls++ % 250);
}

/// "10,000".
[[nodiscard]] inline std::string with_commas(std::size_t n) {
  std::string text = std::to_string(n);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

}  // namespace bench
