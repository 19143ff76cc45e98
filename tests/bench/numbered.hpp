#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

#include "contender.hpp"

namespace bench {

/// Puts its number in front of a message, which is at least 8 bytes long.
inline void number_message(char* body, std::uint64_t number) noexcept {
  std::memcpy(body, &number, sizeof number);
}

/// A body for the messages of a trial; `number_message` makes each of them out of it.
[[nodiscard]] inline std::string make_body(const trial& t) {
  std::string body(t.size, 'x');
  return body;
}

/// Throws if this is not the message with this number, or is not as long as the trial says.
inline void check_message(std::string_view body, std::uint64_t number, const trial& t) {
  if (body.size() != t.size)
    throw std::runtime_error("message " + std::to_string(number) + " has " +
                             std::to_string(body.size()) + " bytes, not " + std::to_string(t.size));
  std::uint64_t found = 0;
  std::memcpy(&found, body.data(), sizeof found);
  if (found != number)
    throw std::runtime_error("message " + std::to_string(found) + " came instead of " +
                             std::to_string(number));
}

}  // namespace bench
