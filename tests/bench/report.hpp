#pragma once

#include <string>
#include <vector>

namespace bench {

/// One quantity of one contender, as often as it was measured.
struct row {
  std::string group;           ///< "ping-pong p50, one core", "one-way stream", "idle conversation"
  std::string size;            ///< "32 B", "64 KiB"; empty where there is none
  std::string contender;       ///< "parley", "bare epoll", "ZeroMQ PAIR"
  std::string unit;            ///< "µs", "M/s", "KiB"
  std::vector<double> rounds;  ///< by round, so that two rows' ratios are of the same round
};

using rows = std::vector<row>;

}  // namespace bench
