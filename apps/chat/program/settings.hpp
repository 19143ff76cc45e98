#pragma once

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "chat/program/address.hpp"
#include "chat/program/outcome.hpp"

namespace chat {

/// What the command line says, where both programs understand the same.
struct settings {
  std::string program;  ///< as it calls itself in what it prints
  std::uint16_t port = default_port;
  std::string name;
  std::string color = "auto";
  double linger_seconds = -1;  ///< negative: without limit
  double resume_seconds = 600;
  bool plain = false;
  bool print_id = false;
  bool json = false;
  bool low_latency = false;

  /// What CLI11 says of a flag that may have a value and has none.
  static constexpr std::string_view unstated = "true";

  /// How long to look for the next event before sleeping.
  [[nodiscard]] std::chrono::microseconds spin() const {
    // Between two cores 5 µs gained nothing, and 200 µs no more than 20.
    return std::chrono::microseconds(low_latency ? 20 : 0);
  }
  [[nodiscard]] std::optional<std::chrono::milliseconds> linger() const {
    if (linger_seconds < 0) return std::nullopt;
    return milliseconds_of(linger_seconds);
  }
  [[nodiscard]] std::chrono::milliseconds resume_for() const {
    return milliseconds_of(resume_seconds);
  }

  [[nodiscard]] static std::chrono::milliseconds milliseconds_of(double seconds) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::duration<double>(seconds));
  }
};

/// Throws `usage_error` if an option's value is no time.
inline void check_seconds(const std::string& name, double value) {
  constexpr double most = 1e8;  // three years
  if (!(value >= 0 && value < most)) throw usage_error(name + " takes seconds, 0 or more");
}

/// The time that such a value says. Throws `usage_error`.
[[nodiscard]] inline std::chrono::milliseconds seconds_in(const std::string& name,
                                                          const std::string& value) {
  double seconds = -1;
  const auto end = value.data() + value.size();
  const auto [at, bad] = std::from_chars(value.data(), end, seconds);
  check_seconds(name, bad == std::errc() && at == end ? seconds : -1);
  return settings::milliseconds_of(seconds);
}

}  // namespace chat
