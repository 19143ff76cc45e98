#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <parley/protocol/frame.hpp>

namespace bench {

/// What a well-written program gives to one write: the loopback's segment has 65,483 bytes, and a
/// little more than that would go out in two. Of messages that long, several at once.
[[nodiscard]] inline std::size_t batch_size(std::size_t body) {
  constexpr std::size_t usual = 65'400;
  const std::size_t frame = parley::message_overhead + body;
  return frame <= usual / 2 ? usual : 4 * frame;
}

/// Frames on their way out, packed one after the other: parley's, so that all contenders put the
/// same bytes on the wire.
///
///       0          written          end        batch
///       │░░░░░░░░░░░░░░│▒▒▒▒▒▒▒▒▒▒▒▒▒▒│            │
///
/// It starts again at 0 when all is written.
class outgoing_frames {
 public:
  explicit outgoing_frames(std::size_t body) : batch_(batch_size(body)), bytes_(batch_) {}

  [[nodiscard]] bool empty() const noexcept { return written_ == end_; }
  /// Whether another frame with such a body belongs to this batch.
  [[nodiscard]] bool has_room(std::size_t body) const noexcept {
    return end_ + parley::message_overhead + body <= batch_;
  }
  /// Grows past the batch where the program has so much to say at once.
  void add(std::string_view body) {
    const std::size_t end = end_ + parley::message_overhead + body.size();
    if (end > bytes_.size()) bytes_.resize(2 * end);
    parley::protocol::frame::put_message(bytes_.data() + end_, sequence_++, 0, body);
    end_ = end;
  }

  [[nodiscard]] std::span<const char> unwritten() const noexcept {
    return std::span(bytes_).subspan(written_, end_ - written_);
  }
  void commit(std::size_t n) noexcept {
    written_ += n;
    if (empty()) written_ = end_ = 0;
  }

 private:
  std::size_t batch_;
  std::vector<char> bytes_;
  std::size_t written_ = 0;
  std::size_t end_ = 0;
  std::uint64_t sequence_ = 0;
};

/// Frames as they come in, handed out in place.
///
///       0        taken          end           size
///       │░░░░░░░░░░░│▒▒▒▒▒▒▒▒▒▒▒▒▒│    room      │
///
/// The beginning of a frame is moved to the front where that is cheap, or the frame would not fit.
class incoming_frames {
 public:
  /// Reads at most `most` bytes at once, or four messages where these are more.
  explicit incoming_frames(std::size_t body, std::size_t most = usual)
      : longest_(parley::message_overhead + body), bytes_(std::max(most, 4 * longest_)) {}

  /// Where to read to. Ends the views handed out.
  [[nodiscard]] std::span<char> room() {
    if (taken_ == end_) {
      taken_ = end_ = 0;
    } else if (end_ - taken_ <= cheap || bytes_.size() - taken_ < longest_) {
      std::memmove(bytes_.data(), bytes_.data() + taken_, end_ - taken_);
      end_ -= taken_;
      taken_ = 0;
    }
    return std::span(bytes_).subspan(end_);
  }
  void commit(std::size_t n) noexcept { end_ += n; }

  /// The next whole frame's body, valid until `room()`. Throws where a frame is none of ours.
  [[nodiscard]] std::optional<std::string_view> next() {
    const std::string_view left(bytes_.data() + taken_, end_ - taken_);
    if (left.size() < parley::message_overhead) return std::nullopt;
    const auto header = parley::protocol::frame::read_header(left);
    if (!header.is_message() || header.length < parley::protocol::frame::number_size ||
        header.size() > longest_)
      throw std::runtime_error("a frame of type " + std::to_string(header.type) + " and " +
                               std::to_string(header.length) + " bytes, which nobody has sent");
    if (left.size() < header.size()) return std::nullopt;
    taken_ += header.size();
    return left.substr(parley::message_overhead, header.size() - parley::message_overhead);
  }

 private:
  static constexpr std::size_t usual = std::size_t{64} << 10U;
  static constexpr std::size_t cheap = 1024;  ///< to move, bytes

  std::size_t longest_;
  std::vector<char> bytes_;
  std::size_t taken_ = 0;
  std::size_t end_ = 0;
};

}  // namespace bench
