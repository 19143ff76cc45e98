#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <parley/printable.hpp>
#include <parley/stats.hpp>

#include "chat/screen/view.hpp"

namespace chat {

/// What a person has said lately and the peer's program is not done with yet.
///
///   said.add(sequence, "hello", delivered);
///   for (const auto& line : said.lines(statistics)) show(line);
class pending {
 public:
  /// `delivered`: how many messages, from the first on, need not be kept in mind any more.
  void add(std::uint64_t sequence, std::string_view text, std::uint64_t delivered) {
    while (!texts_.empty() && (texts_.front().first < delivered || texts_.size() >= most))
      texts_.pop_front();
    texts_.emplace_back(sequence, text.substr(0, longest));
  }

  /// How many there are and what becomes of each if the conversation ends now, the oldest first.
  [[nodiscard]] std::vector<std::string> lines(const parley::stats& s) const {
    if (s.unacknowledged == 0) return {"everything is delivered"};
    std::vector<std::string> all{messages(s.unacknowledged) + " not delivered yet, " +
                                 std::to_string(s.unsent) + " of them not sent yet"};
    const auto delivered = s.messages_sent - s.unacknowledged;
    const auto sent = s.messages_sent - s.unsent;
    const auto shown =
        static_cast<std::size_t>(std::min<std::uint64_t>(s.unacknowledged, most_shown));
    for (const auto& [sequence, text] : texts_)
      if (sequence >= delivered && all.size() <= shown)
        all.push_back((sequence < sent ? "sent, not confirmed: " : "not sent: ") +
                      parley::printable(text));
    return all;
  }

 private:
  static constexpr std::size_t most = 1000;   // of them
  static constexpr std::size_t longest = 60;  // bytes of each, enough to know it again
  static constexpr std::size_t most_shown = 10;

  std::deque<std::pair<std::uint64_t, std::string>> texts_;
};

}  // namespace chat
