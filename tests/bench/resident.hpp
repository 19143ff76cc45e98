#pragma once

#include <unistd.h>

#include <fstream>
#include <stdexcept>

namespace bench {

/// KiB of memory that this process really has (proc(5), statm).
[[nodiscard]] inline double resident_kib() {
  std::ifstream file("/proc/self/statm");
  long size = 0;
  long resident = 0;
  if (!(file >> size >> resident)) throw std::runtime_error("cannot read /proc/self/statm");
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1024;
}

}  // namespace bench
