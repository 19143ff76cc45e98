#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <parley/protocol/greeting.hpp>
#include <parley/protocol/heartbeat.hpp>
#include <parley/protocol/receive_state.hpp>

namespace parley::protocol {

/// The control frames that are being written, ahead of the next batch of messages.
///
/// They are made from what is owed only when they are about to be written, so that there is never
/// more than one of each. Not safe for sharing between threads.
class control {
 public:
  /// A connection begins with this greeting; what the last one took along is not known.
  void begin(std::string greeting) {
    bytes_ = std::move(greeting);
    written_ = 0;
    told_ = telling_ = 0;
    parted_ = peer_parted_ = false;
  }

  /// Adds this side's last word, which acknowledges everything before `released`.
  void part(std::uint64_t released) {
    telling_ = released;
    bytes_ += frame::encode(frame::refusal{refuse_reason::ended, released, {}});
    parted_ = true;
  }
  /// Whether that was done on this connection.
  [[nodiscard]] bool parted() const noexcept { return parted_; }
  /// The peer has said its last word.
  void hear_parting() noexcept { peer_parted_ = true; }
  [[nodiscard]] bool peer_parted() const noexcept { return peer_parted_; }

  /// Whether nothing is left to write: only then may more be owed and encoded.
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }

  /// Gives back the memory of what has been written.
  void trim() noexcept {
    if (empty()) bytes_ = std::string();
  }

  /// Encodes what both owe.
  void encode(receive_state& a, heartbeat& h, std::chrono::steady_clock::time_point now) {
    telling_ = a.released();
    if (a.owes_ack()) {
      bytes_.resize(frame::number_frame_size);
      frame::put_number(bytes_.data(), frame::type::ack, telling_);
      a.ack_given();
    }
    h.encode(bytes_, telling_, now);
  }

  [[nodiscard]] std::string_view rest() const noexcept {
    return std::string_view(bytes_).substr(written_);
  }

  /// Up to `n` bytes have been written; returns how many of them were control frames'.
  std::size_t commit(std::size_t n) noexcept {
    const std::size_t own = std::min(n, bytes_.size() - written_);
    written_ += own;
    if (written_ == bytes_.size()) {
      bytes_.clear();
      written_ = 0;
      told_ = telling_;
    }
    return own;
  }

  /// The last position acknowledged in frames that the stream has taken whole.
  [[nodiscard]] std::uint64_t told() const noexcept { return told_; }

 private:
  std::string bytes_;
  std::size_t written_ = 0;
  std::uint64_t telling_ = 0;  ///< the position told in `bytes_`
  std::uint64_t told_ = 0;
  bool parted_ = false;
  bool peer_parted_ = false;
};

}  // namespace parley::protocol
