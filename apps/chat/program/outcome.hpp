#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <system_error>

#include <parley/error.hpp>

namespace chat {

/// What a program tells its caller when it ends.
enum class exit_status : int {
  delivered = 0,      ///< everything was delivered
  internal = 1,       ///< a fault of this program, of its user's files, or nobody reads its output
  usage = 2,          ///< the command line makes no sense
  unreachable = 3,    ///< could not connect, or listen
  undelivered = 4,    ///< the conversation has ended, and messages were not delivered
  refused = 5,        ///< the peer does not want this conversation, or is not who it should be
  lost = 6,           ///< the connection broke
  interrupted = 130,  ///< Ctrl-C twice, as shells number it: 128 + SIGINT
};

/// A command line that makes no sense; `what()` says why, in one line.
struct usage_error : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// Something about this user's files stands in the way; `what()` says what, in one line, and what
/// to do.
struct file_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Whether one side does not want the other, or does not take it for whom it should be.
[[nodiscard]] inline bool is_about_who(std::error_code why) noexcept {
  using parley::errc;
  constexpr std::array all{
      errc::no_certificate,      errc::many_certificates, errc::bad_certificate,
      errc::certificate_expired, errc::own_identity,      errc::wrong_identity,
      errc::unknown_identity,    errc::tls_refused,       errc::turned_away};
  return std::any_of(all.begin(), all.end(), [why](errc e) { return why == e; });
}

/// How a conversation ended.
struct outcome {
  std::error_code lost;           ///< why the connection broke; none: it ended in good order
  std::uint64_t undelivered = 0;  ///< messages of ours that the peer's program is not done with
  std::uint64_t unsent = 0;       ///< of these: the peer has certainly not seen them
  bool at_least = false;          ///< of both: the input was not read to its end
  bool broken_streams = false;    ///< stdout cannot be written, or stdin not be read

  [[nodiscard]] exit_status status() const noexcept {
    if (broken_streams) return exit_status::internal;
    if (lost) return is_about_who(lost) ? exit_status::refused : exit_status::lost;
    return undelivered == 0 ? exit_status::delivered : exit_status::undelivered;
  }
};

}  // namespace chat
