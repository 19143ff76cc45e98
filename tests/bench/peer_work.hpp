#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "contender.hpp"
#include "numbered.hpp"

// What the peers' work has in common, whether it blocks or is awaited.
namespace bench {

/// The messages of one end, both ways: numbers those that it sends, checks those that it receives.
class numbered_messages {
 public:
  explicit numbered_messages(const trial& t) : trial_(t), body_(make_body(t)) {}

  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }
  [[nodiscard]] std::uint64_t received() const noexcept { return received_; }

  /// The message to send, the same until `count_sent()`. The view is good until the next one.
  [[nodiscard]] std::string_view next() {
    number_message(body_.data(), sent_);
    return body_;
  }
  void count_sent() noexcept { ++sent_; }
  void count_received(std::string_view body) { check_message(body, received_++, trial_); }

 private:
  const trial& trial_;
  std::string body_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

}  // namespace bench
