#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include <parley/options.hpp>
#include <parley/protocol/chunks.hpp>
#include <parley/protocol/gather.hpp>
#include <parley/protocol/log_cursor.hpp>

namespace parley::protocol {

/// Numbered frames that the peer has not acknowledged, in one log, in order.
///
///      base                  cursor         batch             end
///       │▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓│░░░░░░░░░░░░░░│▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒│
///              written            being written      queued
///
/// A batch is made of whole frames, so a control frame fits between any two. An acknowledgement
/// frees chunks at the front, a new connection moves the cursor back: nothing is ever copied.
///
/// Invariant: base <= cursor <= batch <= end, as sequence numbers and as positions in the log.
/// Not safe for sharing between threads.
class outbox {
 public:
  /// A batch is one chunk, or these many: anything between costs more than it saves.
  static constexpr std::size_t most_chunks = 4;

  /// `limit` is in bytes of frames; `spare` must outlive it.
  explicit outbox(std::size_t limit, std::uint64_t first = 0, spares* spare = nullptr) noexcept
      : limit_(limit),
        log_(spare),
        base_{.sequence = first},
        cursor_(base_),
        batch_(base_),
        end_(first) {}

  // --- what the program does -------------------------------------------------------------------

  /// Whether a frame of `size` bytes may be queued now.
  [[nodiscard]] bool fits(std::size_t size) const noexcept {
    if (size <= left_) return true;
    if (held() + size > limit_) return false;
    if (log_.empty() || log_.back().room() >= size) return true;
    // The ends of chunks that a frame did not fit into count as well, or memory could be twice
    // that.
    return log_.allocated() + std::max(size, chunk_size) <=
           std::max(limit_, chunk_size) + chunk_size;
  }

  /// Whether one may be queued right behind the last one, and leaves room for another.
  [[nodiscard]] bool fits_behind(std::size_t size) const noexcept {
    return size + message_overhead <= left_;
  }

  /// Queues the next frame and returns the `size` bytes to write it to.
  [[nodiscard]] char* append(std::size_t size) {
    if (!fits_behind(size)) find_room(size);
    return append_behind(size);
  }

  /// The same for what `fits_behind`.
  [[nodiscard]] char* append_behind(std::size_t size) noexcept {
    chunk& c = log_.back();
    char* const to = c.data.get() + c.end;
    left_ -= size;
    c.end += size;
    end_position_ += size;
    ++end_;
    return to;
  }

  // --- what the send loop does -----------------------------------------------------------------

  /// Whether there is anything to write within `window` bytes unacknowledged.
  [[nodiscard]] bool writable(std::uint64_t window) const noexcept {
    return batch_.position != cursor_.position || within(batch_, window);
  }

  /// Whether the batch begun last has been written to its end: only then may others write.
  [[nodiscard]] bool between_batches() const noexcept {
    return batch_.position == cursor_.position;
  }

  /// Adds what is to be written now to `out`: the rest of the batch, or the next one, of whole
  /// frames, as long as at most `window` bytes are unacknowledged.
  void prepare(gather& out, std::uint64_t window) noexcept {
    if (between_batches()) {
      if (within(batch_, window)) extend(window);
      for (std::size_t n = 1; n < most_chunks && goes_on(n) && within(batch_, window); ++n)
        extend(window);
    }
    auto at = cursor_;
    while (at.position != batch_.position) {
      at.enter_next();
      const std::size_t stop = at.at == batch_.at ? batch_.offset : at.at->end;
      out.add(at.at->view(at.offset, stop));
      at.position += stop - at.offset;
      at.offset = stop;
    }
    filled_ = has_full_chunk();
  }

  /// `n` bytes of what was prepared have been written.
  void commit(std::size_t n) noexcept {
    assert(n <= batch_.position - cursor_.position);
    cursor_.position += n;
    while (n != 0) {
      cursor_.enter_next();
      const std::size_t step = std::min(n, cursor_.at->end - cursor_.offset);
      cursor_.offset += step;
      n -= step;
    }
    if (between_batches()) cursor_ = batch_;
    free_acknowledged();
  }

  // --- a new connection ------------------------------------------------------------------------

  /// The connection has ended, and with it the write that may have been under way.
  void abandon_batch() noexcept {
    cursor_ = batch_;
    free_acknowledged();
  }

  /// A connection begins whose peer has received everything before `next`, which lies between
  /// `base()` and `unsent()`: writing goes on from there. Nothing may be being written any more.
  /// Returns how many frames will be written again.
  std::uint64_t rewind(std::uint64_t next) noexcept {
    const std::uint64_t before = batch_.sequence;
    assert(base() <= next && next <= before);
    abandon_batch();
    batch_ = base_;
    batch_.advance(next);
    cursor_ = batch_;
    filled_ = true;
    return before - next;
  }

  // --- what the peer says ----------------------------------------------------------------------

  /// The peer is done with everything before `next`. False if that cannot be: it was never sent,
  /// or had been acknowledged further already.
  [[nodiscard]] bool acknowledge(std::uint64_t next) noexcept {
    if (next < acknowledged_ || next > batch_.sequence) return false;
    acknowledged_ = next;
    free_acknowledged();
    return true;
  }

  /// Gives back the memory of an outbox in which nothing is.
  void trim() noexcept {
    if (base_.position != end_position_) return;
    while (!log_.empty()) log_.pop();
    for (log_cursor* p : {&base_, &cursor_, &batch_}) p->at = nullptr, p->offset = 0;
    left_ = 0;
  }

  [[nodiscard]] std::uint64_t base() const noexcept { return acknowledged_; }
  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }
  /// The number of the first frame that the peer certainly has not: no byte of it was given to a
  /// stream, or the peer said after that stream's end that it had not come.
  [[nodiscard]] std::uint64_t unsent() const noexcept { return batch_.sequence; }
  /// Bytes of frames that it may hold.
  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
  /// Bytes of frames held for the peer.
  [[nodiscard]] std::size_t held() const noexcept {
    return static_cast<std::size_t>(end_position_ - base_.position);
  }
  /// Bytes of frames queued since the session began.
  [[nodiscard]] std::uint64_t end_position() const noexcept { return end_position_; }
  /// Whether a chunk is full of which no batch has taken the rest; of long ones, a whole batch.
  [[nodiscard]] bool has_full_chunk() const noexcept {
    if (!filled_) return false;
    const chunk* c = batch_.at;
    if (c && c->next && batch_.offset == c->end) c = c->next.get();
    if (c && is_long(*c)) return end_position_ - batch_.position >= most_chunks * chunk_size;
    if (c == nullptr || c->next) return c != nullptr;
    return c->room() < message_overhead && batch_.position != end_position_;
  }
  [[nodiscard]] std::size_t allocated() const noexcept { return log_.allocated(); }
  /// See `spares::drop`.
  void drop_spares() noexcept { log_.drop_spares(); }

 private:
  /// Makes the back chunk one with room for a frame of `size` bytes.
  void find_room(std::size_t size) {
    const bool first = log_.empty();
    if (first || log_.back().room() < size) {
      chunk& c = log_.push(size);
      c.first = end_;
      if (first) base_.at = cursor_.at = batch_.at = &c;
    }
    const std::size_t room = log_.back().room();
    left_ = std::min(room, std::max(size, limit_ - std::min(limit_, held())));
    filled_ = !first || room - size < message_overhead;
  }

  /// Whether the frame after `p` exists and may be written.
  [[nodiscard]] bool within(log_cursor p, std::uint64_t window) const noexcept {
    if (p.position == end_position_) return false;
    p.enter_next();
    return p.position - base_.position + p.frame_size() <= window;
  }

  /// Moves the batch's end over the rest of one chunk, or as far as the window goes.
  void extend(std::uint64_t window) noexcept {
    batch_.enter_next();
    const std::size_t rest = batch_.at->end - batch_.offset;
    if (batch_.position - base_.position + rest <= window) {
      batch_.offset += rest;
      batch_.position += rest;
      batch_.sequence = batch_.at->next ? batch_.at->next->first : end_;
      return;
    }
    while (within(batch_, window)) batch_.step();
  }

  /// Whether the batch, of `n` chunks, goes on with the next: it becomes one of the larger kind, or
  /// it is of long frames.
  [[nodiscard]] bool goes_on(std::size_t n) const noexcept {
    const chunk* c = batch_.at;
    if (c && is_long(*c))
      return c->next && batch_.position - cursor_.position < most_chunks * chunk_size;
    for (; c && c->capacity == chunk_size && n < most_chunks; ++n) c = c->next.get();
    return c != nullptr && n == most_chunks && c->capacity == chunk_size;
  }

  [[nodiscard]] static bool is_long(const chunk& c) noexcept { return c.capacity > chunk_size; }
  /// Frees what is acknowledged and no longer part of a write under way.
  void free_acknowledged() noexcept {
    const std::uint64_t target =
        std::min(acknowledged_, between_batches() ? batch_.sequence : cursor_.sequence);
    if (base_.sequence == target) return;
    base_.advance(target);
    pop_freed();
  }

  /// Gives back the chunks that lie wholly before the base.
  void pop_freed() noexcept {
    if (log_.empty()) return;
    base_.enter_next();
    while (&log_.front() != base_.at) {
      leave_front(cursor_);
      leave_front(batch_);
      log_.pop();
    }
    if (base_.position == end_position_) start_afresh();
  }

  /// Nothing is left: the last chunk is begun anew, if it was not made for a long frame.
  void start_afresh() noexcept {
    chunk& c = log_.back();
    if (is_long(c)) return trim();
    c.end = 0;
    c.first = end_;
    left_ = std::min(chunk_size, limit_);
    for (log_cursor* p : {&base_, &cursor_, &batch_}) p->at = &c, p->offset = 0;
  }

  void leave_front(log_cursor& p) noexcept {
    if (p.at == &log_.front()) p.enter_next();
  }

  std::size_t limit_;
  chunks log_;
  log_cursor base_;    ///< the oldest frame held
  log_cursor cursor_;  ///< the next byte to write; `sequence` is of the batch's first frame
  log_cursor batch_;   ///< the end of what is being written
  std::uint64_t acknowledged_ = base_.sequence;
  std::uint64_t end_;  ///< the next frame's number
  std::uint64_t end_position_ = 0;
  std::size_t left_ = 0;  ///< so many bytes fit into the back chunk, and into the limit
  bool filled_ = false;   ///< there may be a full chunk that no batch has taken
};

}  // namespace parley::protocol
