#pragma once

#include <sched.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>
#include <vector>

namespace bench {

/// Where the two processes of a trial run.
enum class placement { one_core, two_cores };

[[nodiscard]] inline std::string to_string(placement p) {
  return p == placement::one_core ? "one core" : "two cores";
}

/// The cores that this process may use, in the system's numbering.
[[nodiscard]] inline std::vector<std::size_t> usable_cores() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0)
    throw std::system_error(errno, std::generic_category(), "sched_getaffinity");
  std::vector<std::size_t> cores;
  for (std::size_t core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  return cores;
}

/// Keeps the calling process, and the threads that it will have, on one core.
inline void stay_on(std::size_t core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0)
    throw std::system_error(errno, std::generic_category(), "sched_setaffinity");
}

}  // namespace bench
