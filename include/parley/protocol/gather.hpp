#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <span>
#include <string_view>

namespace parley::protocol {

/// What one write takes: pieces of memory in order, valid until the write is over.
class gather {
 public:
  static constexpr std::size_t most = 6;

  void add(std::string_view piece) noexcept {
    assert(count_ < most);
    if (!piece.empty()) pieces_[count_++] = piece;
    size_ += piece.size();
  }
  [[nodiscard]] std::span<const std::string_view> pieces() const noexcept {
    return {pieces_.data(), count_};
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

 private:
  std::array<std::string_view, most> pieces_{};
  std::size_t count_ = 0;
  std::size_t size_ = 0;
};

}  // namespace parley::protocol
