#pragma once

#include <chrono>

namespace parley::test {

/// How long a test waits for what must happen; only a failure takes that long, also under a
/// sanitizer on a busy machine.
inline constexpr std::chrono::seconds patience{60};

}  // namespace parley::test
