#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

namespace parley {

/// The usual size of a chunk in bytes. A write of a little over the loopback segment of 65,483
/// bytes costs 20 to 50 %, so a chunk stays below it with room for the control frames ahead of it.
inline constexpr std::size_t chunk_size = 65'400;

/// One piece of a log: a block of bytes that never moves.
struct chunk {
  explicit chunk(std::size_t bytes)
      : data(std::make_unique_for_overwrite<char[]>(bytes)), capacity(bytes) {}

  std::unique_ptr<char[]> data;
  std::size_t capacity;
  std::size_t end = 0;      ///< bytes in use
  std::uint64_t first = 0;  ///< free for the log: the number of its first frame
  std::unique_ptr<chunk> next;

  [[nodiscard]] std::size_t room() const noexcept { return capacity - end; }
  [[nodiscard]] std::string_view view(std::size_t from, std::size_t to) const noexcept {
    return {data.get() + from, to - from};
  }
};

/// Chunks of the usual size that nobody uses now, at hand for who needs one next.
///
/// Shared by conversations on one executor: so one that falls silent holds no memory at once, and
/// one that streams allocates none. Not safe for sharing between threads.
class spares {
 public:
  /// As many as the usual window and outbox need, so that a stream at full speed allocates nothing.
  static constexpr std::size_t most = 64;

  spares() = default;
  spares(const spares&) = delete;
  spares& operator=(const spares&) = delete;
  ~spares() {
    while (first_) (void)take();
  }

  /// None: there is no spare one.
  [[nodiscard]] std::unique_ptr<chunk> take() noexcept {
    if (!first_) return nullptr;
    --count_;
    auto taken = std::move(first_);
    first_ = std::move(taken->next);
    return taken;
  }

  void give(std::unique_ptr<chunk> c) noexcept {
    if (count_ == most || c->capacity != chunk_size) return;
    c->end = 0;
    c->next = std::move(first_);
    first_ = std::move(c);
    ++count_;
  }

  /// Gives half of them back to the system; called now and then when somebody has nothing to do.
  void drop() noexcept {
    for (std::size_t n = (count_ + 1) / 2; n != 0; --n) (void)take();
  }

  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 private:
  std::unique_ptr<chunk> first_;
  std::size_t count_ = 0;
};

/// A log of bytes that grows at the back and is given back at the front, chunk by chunk.
///
/// Takes its chunks from `spares`, which must outlive it, if there are any. Not safe for sharing
/// between threads.
class chunks {
 public:
  explicit chunks(spares* s = nullptr) noexcept : spares_(s) {}
  chunks(const chunks&) = delete;
  chunks& operator=(const chunks&) = delete;
  ~chunks() {
    while (front_) pop();
  }  // one by one: a long list must not recurse

  [[nodiscard]] bool empty() const noexcept { return front_ == nullptr; }
  [[nodiscard]] chunk& front() noexcept { return *front_; }
  [[nodiscard]] const chunk& front() const noexcept { return *front_; }
  [[nodiscard]] chunk& back() noexcept { return *back_; }
  [[nodiscard]] const chunk& back() const noexcept { return *back_; }

  /// Adds a chunk for at least `bytes` at the back.
  chunk& push(std::size_t bytes) {
    auto fresh = spares_ && bytes <= chunk_size ? spares_->take() : nullptr;
    if (!fresh) fresh = std::make_unique<chunk>(std::max(bytes, chunk_size));
    allocated_ += fresh->capacity;
    chunk& added = *fresh;
    (back_ ? back_->next : front_) = std::move(fresh);
    back_ = &added;
    return added;
  }

  /// Gives the back chunk a block of `bytes`, to whose front it moves what it has from `kept` on.
  void enlarge_back(std::size_t bytes, std::size_t kept) {
    auto data = std::make_unique_for_overwrite<char[]>(bytes);
    std::copy(back_->data.get() + kept, back_->data.get() + back_->end, data.get());
    allocated_ += bytes - back_->capacity;
    back_->data = std::move(data);
    back_->capacity = bytes;
    back_->end -= kept;
  }

  /// Gives the front chunk back.
  void pop() noexcept {
    auto old = std::move(front_);
    front_ = std::move(old->next);
    if (!front_) back_ = nullptr;
    allocated_ -= old->capacity;
    if (spares_) spares_->give(std::move(old));
  }

  /// Bytes allocated for what is in the log.
  [[nodiscard]] std::size_t allocated() const noexcept { return allocated_; }

 private:
  std::unique_ptr<chunk> front_;
  chunk* back_ = nullptr;
  spares* spares_;
  std::size_t allocated_ = 0;
};

}  // namespace parley
