#pragma once

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <CLI/CLI.hpp>

#include <parley/options.hpp>
#include <parley/printable.hpp>
#include <parley/utf8.hpp>
#include <parley/version.hpp>

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

/// Declares the options that both programs have; what is parsed goes to `s`.
inline void declare(CLI::App& app, settings& s) {
  app.name(s.program);
  app.set_version_flag("--version", s.program + " " PARLEY_VERSION);
  app.add_option("--name", s.name, "how to introduce this side to the peer");
  app.add_flag("--plain", s.plain, "lines of UTF-8, not encrypted, for nc, telnet and the like");
  app.add_flag("--print-id", s.print_id, "print this side's identity and end");
  app.add_flag("--json", s.json, "write one JSON object a line to stdout");
  app.add_option("--linger", s.linger_seconds,
                 "how long to listen on when all input is delivered (default: no limit)")
      ->type_name("SECONDS");
  app.add_option("--resume-for", s.resume_seconds,
                 "how long to wait for a lost connection to come back (default: 600)")
      ->type_name("SECONDS");
  app.add_flag("--low-latency", s.low_latency,
               "answer sooner, at the price of more processor time");
  app.add_option("--color", s.color, "whether a terminal shows colors (default: auto)")
      ->type_name("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}));
}

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

/// Parses the command line. False: it asked for the help or the version, which was printed.
/// Throws `usage_error`.
inline bool parse(CLI::App& app, const settings& s, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    app.exit(asked);
    return false;
  } catch (const CLI::ParseError& e) {
    throw usage_error(parley::printable(e.what()));
  }
  if (app.get_option("--linger")->count() != 0) check_seconds("--linger", s.linger_seconds);
  check_seconds("--resume-for", s.resume_seconds);
  if (s.name.size() > parley::max_name || !parley::is_utf8(s.name))
    throw usage_error("--name takes at most 64 bytes of UTF-8");
  return true;
}

}  // namespace chat
