#pragma once

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <string>
#include <system_error>

#include <parley/detail/asio.hpp>
#include <parley/error.hpp>
#include <parley/identity.hpp>
#include <parley/options.hpp>

#include "chat/program/outcome.hpp"

namespace chat {

/// The text of an error, for the middle of a sentence.
[[nodiscard]] inline std::string reason_text(std::error_code ec) {
  if (ec == asio::error::host_not_found || ec == asio::error::host_not_found_try_again)
    return "no such host is known";
  std::string text = ec.message();
  const auto is_capital = [&text](std::size_t at) {
    return text.size() > at && text[at] >= 'A' && text[at] <= 'Z';
  };
  if (is_capital(0) && !is_capital(1)) text[0] += 'a' - 'A';
  return text;
}

/// Whether it is this error of the system. Asio's category does not compare with `std::errc`.
[[nodiscard]] inline bool is_system(std::error_code ec, std::initializer_list<int> numbers) {
  return (ec.category() == asio::error::get_system_category() ||
          ec.category() == std::generic_category()) &&
         std::find(numbers.begin(), numbers.end(), ec.value()) != numbers.end();
}

/// Why nobody could be joined, and what may help.
[[nodiscard]] inline std::string explain_no_connection(std::error_code why) {
  auto text = reason_text(why);
  if (is_system(why, {ECANCELED})) return "interrupted";
  if (is_system(why, {ECONNREFUSED, ENOENT})) return text + "; is parley-server running there?";
  if (is_system(why, {ETIMEDOUT}) || why == parley::errc::connect_timeout)
    return text + "; check the address, and the firewall there";
  if (is_system(why, {ENETUNREACH, EHOSTUNREACH}))
    return text + "; check the address, and the network here";
  if (why == asio::error::host_not_found || why == asio::error::host_not_found_try_again)
    return text + "; check the spelling, or give its IP address";
  if (why == parley::errc::refused_busy) return text + "; try again later";
  if (why == parley::errc::not_tls) return text + "; if it is to be so, use --plain here too";
  if (why == parley::errc::own_identity)
    return text + "; copies of one key cannot talk to each other";
  return text;
}

/// Why a server has sent a caller away, and what would let it in.
[[nodiscard]] inline std::string explain_turning_away(const parley::event& e) {
  if (!e.who) return reason_text(e.reason);
  const std::string id = to_string(*e.who);
  if (e.reason == parley::errc::refused_not_allowed)
    return "its identity " + id + " is not allowed; --allow " + id + " lets it in";
  return reason_text(e.reason) + " (it showed the identity " + id + ")";
}

/// Why a conversation did not go on, and what may have happened.
[[nodiscard]] inline std::string explain_loss(std::error_code why) {
  if (why == parley::errc::refused_unknown_session) return reason_text(why) + "; was it restarted?";
  if (why == parley::errc::refused_stale_attempt)
    return reason_text(why) + "; does a copy of this program run?";
  return reason_text(why);
}

/// Why a server cannot listen, and what may help.
[[nodiscard]] inline std::string explain_no_listening(std::error_code why) {
  auto text = reason_text(why);
  if (is_system(why, {EADDRINUSE}))
    return text + "; end the program that has it, or choose another --port";
  if (is_system(why, {EACCES})) return text + "; choose another place, or a port over 1023";
  if (is_system(why, {EADDRNOTAVAIL})) return text + "; --bind takes an address of this machine";
  return text;
}

/// The status of a client that was not let in, for this reason.
[[nodiscard]] inline exit_status status_of_failed_dial(std::error_code why) {
  const bool refused = why.category() == parley::error_category() &&
                       why.value() >= static_cast<int>(parley::errc::refused_version);
  return refused || is_about_who(why) ? exit_status::refused : exit_status::unreachable;
}

}  // namespace chat
