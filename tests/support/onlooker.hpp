#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <parley/options.hpp>
#include <parley/protocol/frame.hpp>

namespace parley::test {

namespace frame = protocol::frame;

/// Reads along what one side writes, in whatever pieces, and tells of each frame: of a message as
/// soon as its number is there, of any other when it is whole.
class onlooker {
 public:
  /// Calls `tell(header, body)`; a message's body is cut behind its number.
  template <typename Tell>
  void watch(std::string_view bytes, Tell tell) {
    while (!bytes.empty()) {
      std::size_t n = std::min(skip_, bytes.size());
      skip_ -= n;
      bytes.remove_prefix(n);
      n = std::min(wanted() - begun_.size(), bytes.size());
      begun_.append(bytes.substr(0, n));
      bytes.remove_prefix(n);
      if (begun_.size() < wanted()) continue;
      const auto head = frame::read_header(begun_);
      tell(head, std::string_view(begun_).substr(frame::header_size));
      skip_ = head.size() - begun_.size();
      begun_.clear();
    }
  }

 private:
  [[nodiscard]] std::size_t wanted() const {
    if (begun_.size() < frame::header_size) return frame::header_size;
    const auto head = frame::read_header(begun_);
    return head.is_message() ? message_overhead : head.size();
  }

  std::string begun_;
  std::size_t skip_ = 0;  ///< bytes of the last message's body that are still to come
};

}  // namespace parley::test
