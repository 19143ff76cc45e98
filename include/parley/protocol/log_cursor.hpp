#pragma once

#include <cstddef>
#include <cstdint>

#include <parley/protocol/chunks.hpp>
#include <parley/protocol/frame.hpp>

namespace parley::protocol {

/// A place in a log of frames, between two of them or, where it says so, within one.
struct log_cursor {
  chunk* at = nullptr;
  std::size_t offset = 0;
  std::uint64_t position = 0;  ///< bytes since the session began
  std::uint64_t sequence = 0;  ///< of the frame that begins here

  /// At a chunk's end: goes on to the next one's beginning, if there is one.
  void enter_next() noexcept {
    if (offset == at->end && at->next) {
      at = at->next.get();
      offset = 0;
    }
  }

  /// Bytes of the frame that begins here.
  [[nodiscard]] std::size_t frame_size() const noexcept {
    return frame::read_header(at->view(offset, at->end)).size();
  }

  /// Goes over one frame.
  void step() noexcept {
    const std::size_t size = frame_size();
    offset += size;
    position += size;
    ++sequence;
  }

  /// Goes to the frame of that number, over whole chunks where it can.
  void advance(std::uint64_t to) noexcept {
    while (sequence < to) {
      enter_next();
      if (at->next && at->next->first <= to) {
        position += at->end - offset;
        offset = at->end;
        sequence = at->next->first;
      } else {
        step();
      }
    }
  }
};

}  // namespace parley::protocol
