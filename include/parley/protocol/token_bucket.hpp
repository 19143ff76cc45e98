#pragma once

#include <algorithm>
#include <chrono>
#include <system_error>

#include <parley/error.hpp>

namespace parley::protocol {

/// How many control frames that bring nothing a conversation puts up with: a bucket of `at_once`
/// tokens, into which one falls every `refill`.
///
/// Counted is only what no peer has to send: an ack of what was acknowledged before, a ping while
/// the answer to the last one is still owed, a pong that answers no ping under way, a second
/// goodbye, a frame of a type that is skipped. An ack with news is never counted, however often it
/// comes; a peer like this one has at most one ping under way besides those of the heartbeat, which
/// come every 10 ms at most. So an honest peer spends a tenth of what falls in, on a link of any
/// speed, also where this process has slept. What a flood would cost is time, not memory: who reads
/// it grows nothing (CVE-2019-9512, 9515). Messages are not counted: the window holds them back.
///
///   token_bucket idle;
///   if (const auto flood = idle.spend(now)) return flood;
///
/// Not safe for sharing between threads.
class token_bucket {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  static constexpr int at_once = 1'000;
  static constexpr std::chrono::milliseconds refill{1};

  /// One more has come. Errors: `frame_flood`, where that is one too many.
  [[nodiscard]] std::error_code spend(time_point now) noexcept {
    full_at_ = std::max(full_at_, now) + refill;
    return full_at_ - now > at_once * refill ? make_error_code(errc::frame_flood)
                                             : std::error_code{};
  }

 private:
  time_point full_at_{};  ///< when all tokens are back, if none is spent until then
};

}  // namespace parley::protocol
