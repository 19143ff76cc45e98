#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

namespace parley::protocol {

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

/// Chunks that nobody uses now, at hand for who needs one next.
///
/// Shared by conversations on one executor: so one that falls silent holds no memory at once, and
/// one that streams allocates none. Not safe for sharing between threads.
class spares {
 public:
  /// As many as the usual window and outbox need, so that a stream at full speed allocates nothing.
  static constexpr std::size_t most = 64;
  /// The same for chunks of another size, made for a long item; only up to so long a one.
  static constexpr std::size_t most_long = 16;
  static constexpr std::size_t longest = 4 * chunk_size;

  spares() = default;
  spares(const spares&) = delete;
  spares& operator=(const spares&) = delete;
  ~spares() {
    while (usual_.first) (void)usual_.take();
    while (long_.first) (void)long_.take();
  }

  /// For at least `bytes`; none: there is no spare one, or the next one is too short.
  [[nodiscard]] std::unique_ptr<chunk> take(std::size_t bytes) noexcept {
    stack& from = bytes <= chunk_size ? usual_ : long_;
    return from.first && from.first->capacity >= bytes ? from.take() : nullptr;
  }

  void give(std::unique_ptr<chunk> c) noexcept {
    stack& to = c->capacity == chunk_size ? usual_ : long_;
    if (c->capacity > longest || to.count == (&to == &usual_ ? most : most_long)) return;
    c->end = 0;
    c->next = std::move(to.first);
    to.first = std::move(c);
    ++to.count;
  }

  /// Gives half of them back to the system; called now and then when somebody has nothing to do.
  void drop() noexcept {
    for (stack* s : {&usual_, &long_})
      for (std::size_t n = (s->count + 1) / 2; n != 0; --n) (void)s->take();
  }

  [[nodiscard]] std::size_t count() const noexcept { return usual_.count + long_.count; }

 private:
  struct stack {
    std::unique_ptr<chunk> take() noexcept {
      --count;
      auto taken = std::move(first);
      first = std::move(taken->next);
      return taken;
    }
    std::unique_ptr<chunk> first;
    std::size_t count = 0;
  };

  stack usual_;
  stack long_;
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
    auto fresh = spares_ ? spares_->take(bytes) : nullptr;
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

  /// See `spares::drop`.
  void drop_spares() noexcept {
    if (spares_) spares_->drop();
  }

  /// Bytes allocated for what is in the log.
  [[nodiscard]] std::size_t allocated() const noexcept { return allocated_; }

 private:
  std::unique_ptr<chunk> front_;
  chunk* back_ = nullptr;
  spares* spares_;
  std::size_t allocated_ = 0;
};

}  // namespace parley::protocol
