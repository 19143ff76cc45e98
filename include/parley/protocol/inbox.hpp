#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include <parley/protocol/chunks.hpp>

namespace parley::protocol {

/// Bytes that have arrived and that the program has not dealt with yet.
///
///        front chunk                      back chunk
///      ░░░░░░░│▓▓▓▓▓▓▓│████████│        │██████│╌╌╌╌╌│▒▒▒▒▒▒▒▒│········
///      released   held    whole           whole  hole   begun    room
///                     taken_                   whole_  begun_   end
///
/// *held* is the item that the program looks at now, *whole* what it has not asked for yet, *begun*
/// what has arrived but is not yet a whole item. Dropping an item that is none (a control frame)
/// leaves a *hole*; the next item slides down over it, so that whole items stand side by side. An
/// item lies in one chunk in one piece and never moves once it is whole.
///
/// Invariant: taken_ <= whole_ <= begun_ <= end where front and back are one chunk.
/// Not safe for sharing between threads.
class inbox {
 public:
  /// `spare` must outlive it.
  explicit inbox(spares* spare = nullptr) noexcept : log_(spare) {}

  // --- what the receive loop does --------------------------------------------------------------

  /// Room to read into, never empty. `item` is the size of the item that begins with `begun()`,
  /// 0 while it is not known; the room is in one piece with what has begun.
  [[nodiscard]] std::span<char> prepare(std::size_t item = 0) {
    close_hole();
    reuse();
    const std::size_t needed = item != 0 ? item : begun().size() + min_room;
    if (log_.empty() || log_.back().capacity - begun_ < needed) relocate(needed, item);
    chunk& c = log_.back();
    reserved_ = true;
    return {c.data.get() + c.end, c.room()};
  }

  /// `n` bytes, perhaps none, have been read into the room; the next read is to follow.
  void commit(std::size_t n) noexcept {
    if (n == 0) return;
    assert(n <= log_.back().room());
    log_.back().end += n;
  }

  /// What has arrived and is not yet known to be whole.
  [[nodiscard]] std::string_view begun() const noexcept {
    return log_.empty() ? std::string_view{} : log_.back().view(begun_, log_.back().end);
  }

  /// The first `n` begun bytes are whole items.
  void mark_whole(std::size_t n) noexcept {
    chunk& c = log_.back();
    if (taken_ == whole_ && !log_.front().next) taken_ = whole_ = begun_;  // nothing stands before
    if (begun_ != whole_) std::memmove(c.data.get() + whole_, c.data.get() + begun_, n);
    whole_ += n;
    begun_ += n;
    expected_ = n <= most_expected ? n : 0;
  }

  /// No read follows soon: the room is not kept.
  void rest() noexcept {
    reserved_ = false;
    trim();
  }

  /// The first `n` begun bytes are nothing for the program.
  void drop(std::size_t n) noexcept { begun_ += n; }

  // --- what the program does -------------------------------------------------------------------

  /// Whole items not yet taken, as far as they stand in one chunk; empty if there is none.
  [[nodiscard]] std::string_view whole() const noexcept {
    if (log_.empty()) return {};
    const chunk& front = log_.front();
    if (taken_ != whole_end(front)) return front.view(taken_, whole_end(front));
    return front.next ? front.next->view(0, whole_end(*front.next)) : std::string_view{};
  }

  /// Releases what is held; then the whole items that stand next, as far as they stand in one
  /// chunk; empty if there is none.
  [[nodiscard]] std::string_view next() noexcept {
    held_ = false;
    while (!log_.empty()) {
      const chunk& front = log_.front();
      const std::size_t end = whole_end(front);
      if (taken_ != end) return front.view(taken_, end);
      if (!front.next) break;
      pop();
    }
    trim();
    return {};
  }

  /// The whole items that stand right behind the one that is held; empty if none is held.
  [[nodiscard]] std::string_view run() const noexcept {
    if (!held_) return {};
    const chunk& front = log_.front();
    return front.view(taken_, whole_end(front));
  }

  /// The first `n` bytes of `next()`, or of `run()`, are held now.
  void take(std::size_t n) noexcept {
    assert(n <= whole().size());
    taken_ += n;
    held_ = true;
  }

  [[nodiscard]] bool holding() const noexcept { return held_; }

  /// Gives back the memory of an inbox in which nothing is and into which nobody reads.
  void trim() noexcept {
    if (!reserved_ && !held_ && !log_.empty() && whole().empty() && begun().empty()) pop();
  }

  [[nodiscard]] bool idle() const noexcept { return log_.empty(); }
  [[nodiscard]] std::size_t allocated() const noexcept { return log_.allocated(); }

 private:
  /// A read for less than this is not worth a system call of its own.
  static constexpr std::size_t min_room = 4096;
  /// The longest item for which room is made before it has begun.
  static constexpr std::size_t most_expected = 4 * chunk_size;

  [[nodiscard]] std::size_t whole_end(const chunk& c) const noexcept {
    return c.next ? c.end : whole_;
  }

  void pop() noexcept {
    log_.pop();
    taken_ = 0;
    if (log_.empty()) whole_ = begun_ = 0;
  }

  /// Starts the only chunk afresh if nothing is in it.
  void reuse() noexcept {
    if (held_ || log_.empty() || log_.front().next || taken_ != whole_ || begun_ != log_.back().end)
      return;
    if (log_.back().capacity > chunk_size) return pop();  // made for one long item
    taken_ = whole_ = begun_ = log_.back().end = 0;
  }

  void close_hole() noexcept {
    if (log_.empty() || begun_ == whole_) return;
    move_begun(log_.back(), whole_);
  }

  /// Moves what has begun to the front of a chunk that has `needed` bytes for it.
  void relocate(std::size_t needed, std::size_t item) {
    const bool alone = !log_.empty() && !log_.front().next;
    const bool bare = alone && !held_ && taken_ == whole_;  // nothing in it but what has begun
    if (bare && needed <= log_.back().capacity) {
      taken_ = whole_ = 0;
      return move_begun(log_.back(), 0);
    }
    // An item of unknown size doubles its place, so that it is moved a few times, not at each read.
    const std::size_t wanted = std::max(needed, item != 0 ? item : 2 * begun().size());
    if (bare || (!alone && !log_.empty() && whole_ == 0)) return grow(wanted);
    const auto partial = begun();
    if (!log_.empty()) log_.back().end = whole_;
    // Where long items follow each other, the next one finds room in one piece from the start.
    chunk& fresh = log_.push(std::max(wanted, item == 0 ? expected_ : 0));
    whole_ = begun_ = 0;
    if (log_.front().next == nullptr) taken_ = 0;
    if (!partial.empty()) std::memcpy(fresh.data.get(), partial.data(), partial.size());
    fresh.end = partial.size();
  }

  /// Moves what has begun, which is all that the back chunk holds, to a larger block of its own.
  void grow(std::size_t wanted) {
    log_.enlarge_back(wanted, begun_);
    if (!log_.front().next) taken_ = 0;
    whole_ = begun_ = 0;
  }

  void move_begun(chunk& c, std::size_t to) noexcept {
    const std::size_t n = c.end - begun_;
    if (n != 0) std::memmove(c.data.get() + to, c.data.get() + begun_, n);
    begun_ = to;
    c.end = to + n;
  }

  chunks log_;
  std::size_t taken_ = 0;     ///< in the front chunk: end of what is released or held
  std::size_t whole_ = 0;     ///< in the back chunk: end of the whole items
  std::size_t begun_ = 0;     ///< in the back chunk: start of what has begun
  std::size_t expected_ = 0;  ///< bytes of the next item, if it is like the last
  bool held_ = false;
  bool reserved_ = false;  ///< a read into the room is under way, or to follow
};

}  // namespace parley::protocol
