#pragma once

#include <cstddef>
#include <cstring>
#include <random>

#if defined(__linux__) || defined(__APPLE__)
#include <sys/random.h>
#include <unistd.h>
#endif

namespace parley::detail {

/// Fills `bytes` bytes, at most 256, with what nobody can guess.
///
/// Asks the system where it can: `std::random_device` took 24 µs for each word on a virtual machine
/// (RDSEED), which was half of the cost of a new session.
inline void fill_randomly(void* to, std::size_t bytes) {
#if defined(__linux__) || defined(__APPLE__)
  if (::getentropy(to, bytes) == 0) return;
#endif
  std::random_device random;
  auto* at = static_cast<unsigned char*>(to);
  while (bytes != 0) {
    const unsigned word = random();
    const std::size_t n = bytes < sizeof word ? bytes : sizeof word;
    std::memcpy(at, &word, n);
    at += n;
    bytes -= n;
  }
}

/// The same for what runs on `Clock`: a virtual clock may bring its own `fill_randomly` along, so
/// that a run can be played again.
template <typename Clock>
void fill_randomly_on(void* to, std::size_t bytes) {
  if constexpr (requires { Clock::fill_randomly(to, bytes); })
    Clock::fill_randomly(to, bytes);
  else
    fill_randomly(to, bytes);
}

}  // namespace parley::detail
