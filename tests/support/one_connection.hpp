#pragma once

#include <chrono>
#include <utility>

#include <parley/options.hpp>

namespace parley::test {

/// The same options, but that the conversation ends with its connection.
[[nodiscard]] inline options one_connection(options o = {}) {
  o.resume_for = std::chrono::milliseconds(0);
  return o;
}

}  // namespace parley::test
