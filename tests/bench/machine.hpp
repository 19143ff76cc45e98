#pragma once

#include <sys/utsname.h>

#include <ctime>
#include <fstream>
#include <string>

#include <asio/version.hpp>

#include "placement.hpp"

namespace bench {

/// Where and with what was measured.
struct machine {
  std::string processor;
  std::size_t cores = 0;  ///< that this process may use
  std::string kernel;
  std::string compiler;
  std::string build;
  std::string asio;
};

[[nodiscard]] inline std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(": ") + 2);
  return "unknown";
}

[[nodiscard]] inline std::string kernel_name() {
  utsname name{};
  if (::uname(&name) != 0) return "unknown";
  return std::string(name.sysname) + " " + name.release + " " + name.machine;
}

[[nodiscard]] inline machine this_machine() {
  machine m;
  m.processor = processor_name();
  m.cores = usable_cores().size();
  m.kernel = kernel_name();
#ifdef __clang__
  m.compiler = "Clang " __clang_version__;
#else
  m.compiler = "GCC " __VERSION__;
#endif
  m.build = PARLEY_BENCH_BUILD_TYPE;
  m.asio = std::to_string(ASIO_VERSION / 100000) + "." + std::to_string(ASIO_VERSION / 100 % 1000) +
           "." + std::to_string(ASIO_VERSION % 100);
  return m;
}

/// RFC 3339, UTC, to the minute.
[[nodiscard]] inline std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[sizeof "yyyy-mm-ddThh:mmZ"];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%MZ", &utc)};
}

}  // namespace bench
