#include <parley/protocol/inbox.hpp>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/bytes.hpp"
#include "support/random.hpp"

namespace inbox_test {

namespace {

using parley::protocol::chunk_size;
using parley::protocol::inbox;
using parley::test::big_endian;
using parley::test::pattern;

// The items of these tests: u32 size of all of it, a letter, a body. An inbox knows nothing of
// that.
constexpr std::size_t head = 5;
constexpr char kept = 'k';
constexpr char dropped = 'd';

std::string item(char kind, std::size_t size, std::uint64_t key = 0) {
  REQUIRE(size >= head);
  return big_endian(size, 4) + kind + pattern(key, size - head);
}

std::size_t size_of(std::string_view begun) {
  std::size_t size = 0;
  for (const char byte : begun.substr(0, 4)) size = size * 256 + static_cast<unsigned char>(byte);
  return size;
}

using sizes = std::vector<std::size_t>;

/// Reads items into an inbox as a protocol does, and takes them out as a program does.
class reader {
 public:
  explicit reader(bool tells_size = true) : tells_size_(tells_size) {}

  /// A read is under way from here to the next `read`.
  void reserve() {
    if (!room_.empty()) return;
    room_ = box_.prepare(item_);
    REQUIRE(!room_.empty());
    if (item_ != 0) REQUIRE(room_.size() >= item_ - box_.begun().size());
  }

  /// One read of at most `slice` bytes from the front of `bytes`.
  void read(std::string_view& bytes, std::size_t slice) {
    reserve();
    const std::size_t n = std::min({room_.size(), bytes.size(), slice});
    if (n != 0) std::memcpy(room_.data(), bytes.data(), n);
    room_ = {};
    box_.commit(n);
    bytes.remove_prefix(n);
    parse();
  }

  void feed(std::string_view bytes, std::size_t slice = static_cast<std::size_t>(-1)) {
    while (!bytes.empty()) read(bytes, slice);
  }

  /// The next item, which is held until the next call; empty if there is none.
  std::string_view take() {
    release();
    const auto whole = box_.whole();
    if (whole.empty()) return {};
    REQUIRE(whole.size() >= head);
    const std::size_t size = size_of(whole);
    REQUIRE(whole.size() >= size);
    box_.take(size);
    held_ = whole.substr(0, size);
    return held_;
  }

  void release() {
    (void)box_.next();
    held_ = {};
  }

  std::string take_all() {
    std::string all;
    for (auto one = take(); !one.empty(); one = take()) all += one;
    return all;
  }

  /// Waits with the next read, if none is under way.
  void rest() { room_.empty() ? box_.rest() : box_.trim(); }

  [[nodiscard]] std::string_view held() const { return held_; }
  [[nodiscard]] inbox& box() { return box_; }

 private:
  void parse() {
    item_ = 0;
    while (box_.begun().size() >= head) {
      const std::size_t size = size_of(box_.begun());
      if (box_.begun().size() < size) {
        if (tells_size_) item_ = size;
        return;
      }
      if (box_.begun()[4] == kept)
        box_.mark_whole(size);
      else
        box_.drop(size);
    }
  }

  inbox box_;
  bool tells_size_;  ///< as frames do; lines do not
  std::size_t item_ = 0;
  std::span<char> room_;
  std::string_view held_;
};

/// The same items in one stream, and those of them that are kept.
struct mixture {
  std::string stream;
  std::string kept_bytes;

  void add(char kind, std::size_t size) {
    const auto one = item(kind, size, ++key_);
    stream += one;
    if (kind == kept) kept_bytes += one;
  }

 private:
  std::uint64_t key_ = 0;
};

}  // namespace

// --- an empty one -------------------------------------------------------------------------------

TEST_CASE("an inbox begins empty and without memory") {
  inbox box;
  CHECK(box.idle());
  CHECK(box.begun().empty());
  CHECK(box.whole().empty());
  CHECK(!box.holding());
  CHECK(box.allocated() == 0);
  box.trim();
  (void)box.next();
  CHECK(box.allocated() == 0);
}

TEST_CASE("a read that brings nothing changes nothing") {
  inbox box;
  REQUIRE(!box.prepare().empty());
  box.commit(0);
  CHECK(box.begun().empty());
  CHECK(box.whole().empty());
  CHECK(box.allocated() == chunk_size);
}

// --- any split ----------------------------------------------------------------------------------

TEST_CASE("any size of reads gives the same items") {
  mixture m;
  for (const std::size_t size :
       sizes{5, 6, 100, 5, 4096, 1000, 65'395, 65'400, 65'401, 5, 200'000, 7})
    m.add(kept, size);
  for (const std::size_t slice :
       sizes{1, 2, 3, 4, 5, 7, 64, 4095, 4096, 65'399, 65'400, 65'401, 1'000'000}) {
    INFO("slices of " << slice);
    reader r;
    r.feed(m.stream, slice);
    CHECK(r.take_all() == m.kept_bytes);
  }
}

TEST_CASE("any size of reads gives the same items where their size is not known beforehand") {
  mixture m;
  for (const std::size_t size : sizes{5, 100, 33'000, 65'400, 5, 70'000, 65'401, 300'000, 9})
    m.add(kept, size);
  for (const std::size_t slice : sizes{1, 7, 1000, 4096, 65'400, 1'000'000}) {
    INFO("slices of " << slice);
    reader r(false);
    r.feed(m.stream, slice);
    CHECK(r.take_all() == m.kept_bytes);
  }
}

TEST_CASE("taking in between gives the same items as taking at the end") {
  mixture m;
  for (std::size_t i = 0; i < 300; ++i) m.add(kept, head + i * 7);
  reader r;
  std::string all;
  for (std::string_view rest = m.stream; !rest.empty();) {
    r.read(rest, 1500);
    const auto one = r.take();  // one per read: now it is ahead, now behind
    all += one;
  }
  all += r.take_all();
  CHECK(all == m.kept_bytes);
}

TEST_CASE("a cut at every byte between two reads gives the same items") {
  mixture m;
  m.add(kept, 9);
  m.add(dropped, 7);
  m.add(kept, 5);
  m.add(kept, 11);
  for (std::size_t cut = 1; cut < m.stream.size(); ++cut) {
    INFO("cut after " << cut << " bytes");
    reader r;
    r.feed(std::string_view(m.stream).substr(0, cut));
    r.feed(std::string_view(m.stream).substr(cut));
    CHECK(r.take_all() == m.kept_bytes);
  }
}

// --- what is held -------------------------------------------------------------------------------

TEST_CASE("what is held stays where it is and as it is while more arrives") {
  for (const std::size_t size : {std::size_t{5}, std::size_t{60'000}, chunk_size, chunk_size + 1}) {
    INFO("held: " << size << " bytes");
    reader r;
    const auto first = item(kept, size, 1);
    r.feed(first);
    const auto held = r.take();
    REQUIRE(held == first);
    mixture m;
    for (std::size_t i = 0; i < 40; ++i) {
      m.add(dropped, head + i * 100);
      m.add(kept, head + i * 500);
    }
    m.add(kept, 150'000);
    for (std::string_view rest = m.stream; !rest.empty();) {
      r.read(rest, 3000);
      REQUIRE(held == first);
    }
    CHECK(r.take_all() == m.kept_bytes);
  }
}

TEST_CASE("what is whole does not move until it is taken") {
  reader r;
  mixture m;
  m.add(kept, 100);
  r.feed(m.stream);
  const char* const at = r.box().whole().data();
  mixture more;
  for (int i = 0; i < 2000; ++i) {
    more.add(dropped, 50);
    more.add(kept, 50);
  }
  r.feed(more.stream, 700);
  CHECK(r.box().whole().data() == at);
  CHECK(r.take().data() == at);
}

TEST_CASE("what is whole can be seen while something else is held, in whichever chunk it lies") {
  for (const std::size_t size : {std::size_t{50}, std::size_t{65'000}, std::size_t{100'000}}) {
    INFO("next: " << size << " bytes");
    reader r;
    r.feed(item(kept, chunk_size - 2, 1));
    REQUIRE(r.take().size() == chunk_size - 2);
    r.feed(item(kept, size, 2), 3);  // its head begins before its size is known
    CHECK(r.box().whole().size() == size);
    CHECK(r.take() == item(kept, size, 2));
  }
}

TEST_CASE("long items behind a held one are all found") {
  for (const bool tells_size : {true, false}) {
    INFO((tells_size ? "with" : "without") << " the size known beforehand");
    reader r(tells_size);
    mixture m;
    m.add(kept, 5);
    m.add(kept, 300'000);
    m.add(kept, 5);
    m.add(kept, 200'000);
    r.feed(m.stream.substr(0, 5));
    const auto held = r.take();
    REQUIRE(held.size() == 5);
    r.feed(m.stream.substr(5), 1000);
    CHECK(held == m.stream.substr(0, 5));
    CHECK(r.take_all() == m.kept_bytes.substr(5));
  }
}

// --- holes --------------------------------------------------------------------------------------

TEST_CASE("dropped items leave no trace, wherever they stand") {
  const std::vector<std::string> orders{"dk",     "kd",      "kdk",  "dkd",
                                        "ddkkdd", "kkdddkd", "dddd", "dkdkdkdk"};
  for (const auto& order : orders) {
    for (const std::size_t slice : sizes{1, 6, 13, 1000}) {
      INFO(order << " in slices of " << slice);
      mixture m;
      for (const char kind : order) m.add(kind, 13);
      reader r;
      r.feed(m.stream, slice);
      CHECK(r.take_all() == m.kept_bytes);
    }
  }
}

TEST_CASE("an item that is cut by the end of a read slides down over the hole before it") {
  reader r;
  mixture m;
  m.add(kept, 20);
  m.add(dropped, 30);
  m.add(kept, 40);
  const std::size_t within_the_last = 20 + 30 + 15;
  r.feed(m.stream.substr(0, within_the_last));
  r.feed(m.stream.substr(within_the_last));
  CHECK(r.box().whole().size() == 60);  // side by side
  CHECK(r.take_all() == m.kept_bytes);
}

TEST_CASE("an item that a full chunk cuts moves to the next one") {
  for (std::size_t over = 0; over <= 20; ++over) {
    INFO(over << " bytes of it in the full chunk");
    reader r;
    mixture m;
    m.add(kept, chunk_size - over);
    m.add(kept, 21);
    m.add(kept, 6);
    r.feed(m.stream, 50'000);
    CHECK(r.take_all() == m.kept_bytes);
  }
}

TEST_CASE("a hole before an item that a full chunk cuts is closed") {
  reader r;
  mixture m;
  m.add(kept, chunk_size - 100);
  m.add(dropped, 60);
  m.add(kept, 500);
  r.feed(m.stream);
  CHECK(r.take_all() == m.kept_bytes);
}

// --- memory -------------------------------------------------------------------------------------

TEST_CASE("an item longer than a chunk has one of its own size, known from its head") {
  reader r;
  const auto long_item = item(kept, 1'000'000, 1);
  r.feed(long_item, 4096);
  CHECK(r.box().allocated() <= 1'000'000 + 2 * chunk_size);
  CHECK(r.take() == long_item);
}

TEST_CASE("an item whose size is not known takes at most twice its size") {
  for (const bool hold : {false, true}) {
    reader r(false);
    r.feed(item(kept, 5, 1));
    if (hold) REQUIRE(!r.take().empty());
    const auto long_item = item(kept, 1'000'000, 2);
    std::size_t most = 0;
    for (std::string_view rest = long_item; !rest.empty();) {
      r.read(rest, 100);
      most = std::max(most, r.box().allocated());
    }
    CHECK(most <= 2 * long_item.size() + 2 * chunk_size);
    while (r.take() != long_item) REQUIRE(!r.held().empty());
  }
}

TEST_CASE("an item whose size is not known moves a few times, not at each read") {
  reader r(false);
  const auto long_item = item(kept, 1'000'000, 1);
  const char* at = nullptr;
  int moves = 0;
  for (std::string_view rest = long_item; r.box().whole().empty();) {
    r.read(rest, 100);
    if (r.box().begun().data() != at) ++moves;
    at = r.box().begun().data();
  }
  CHECK(moves <= 8);  // 65,400 bytes doubled four times are enough; ten thousand reads
}

TEST_CASE("a flood of dropped items costs nothing, whether something is held or not") {
  const auto flood = item(dropped, 24);
  for (const bool hold : {false, true}) {
    for (const std::size_t slice : sizes{1, 7, 24, 60'000}) {
      INFO((hold ? "held" : "nothing held") << ", slices of " << slice);
      std::string bytes;
      while (bytes.size() < 3 * chunk_size) bytes += flood;
      reader r;
      r.feed(item(kept, 1000, 1));
      const auto held = hold ? r.take() : std::string_view{};
      for (std::string_view rest = bytes; !rest.empty();) {
        r.read(rest, slice);
        REQUIRE(r.box().allocated() <= 2 * chunk_size);
      }
      if (hold) CHECK(held == item(kept, 1000, 1));
    }
  }
}

TEST_CASE("items that are taken as they come never need more than two chunks") {
  reader r;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const auto one = item(kept, 1000, i);
    r.feed(one);
    REQUIRE(r.take() == one);
    REQUIRE(r.box().allocated() <= 2 * chunk_size);
  }
}

TEST_CASE("the memory of released items is given back or used again") {
  reader r;
  mixture m;
  for (int i = 0; i < 300; ++i) m.add(kept, 5000);
  r.feed(m.stream);
  CHECK(r.box().allocated() >= m.stream.size());
  CHECK(r.take_all() == m.kept_bytes);
  CHECK(r.box().allocated() <= 2 * chunk_size);
  r.rest();
  CHECK(r.box().allocated() == 0);
  CHECK(r.box().idle());
}

TEST_CASE("the memory of a long item is given back with the item") {
  reader r;
  r.feed(item(kept, 1'000'000, 1));
  REQUIRE(!r.take().empty());
  REQUIRE(r.take().empty());
  r.feed(item(dropped, 5));  // the next read finds the long chunk empty
  CHECK(r.box().allocated() <= 2 * chunk_size);
}

TEST_CASE("who rests keeps what is held, whole or begun, and what is being read into") {
  SECTION("held") {
    reader r;
    r.feed(item(kept, 100, 1));
    const auto held = r.take();
    r.rest();
    CHECK(held == item(kept, 100, 1));
    (void)r.box().next();
    CHECK(r.box().allocated() == 0);
  }
  SECTION("whole") {
    reader r;
    r.feed(item(kept, 100, 1));
    r.rest();
    CHECK(r.take() == item(kept, 100, 1));
  }
  SECTION("begun") {
    reader r;
    const auto one = item(kept, 100, 1);
    r.feed(one.substr(0, 3));
    r.rest();
    r.feed(one.substr(3));
    CHECK(r.take() == one);
  }
  SECTION("being read into") {
    inbox box;
    const auto room = box.prepare();
    box.trim();
    const auto one = item(kept, 100, 1);
    std::memcpy(room.data(), one.data(), one.size());  // an error for AddressSanitizer if it went
    box.commit(one.size());
    CHECK(box.begun() == one);
  }
}

TEST_CASE("an inbox that has rested goes on as a new one") {
  reader r;
  for (std::uint64_t i = 0; i < 5; ++i) {
    const auto one = item(kept, 100, i);
    r.feed(one);
    CHECK(r.take() == one);
    (void)r.box().next();
    r.rest();
    CHECK(r.box().allocated() == 0);
  }
}

// --- against a model ----------------------------------------------------------------------------

namespace {

/// A reader and what it should hold, fed random items in random reads.
class twin {
 public:
  explicit twin(std::uint64_t seed)
      : rng_(seed),
        reader_(!rng_.once_in(3)),
        largest_(std::size_t{1} << rng_.between(4, 18)),  // 16 bytes to four chunks
        slice_(std::size_t{1} << rng_.below(18)),
        drops_(rng_.between(2, 6)) {}

  void step() {
    switch (rng_.below(6)) {
      case 0:
      case 1: read(); break;
      case 2: read_nothing(); break;
      case 3: take(); break;
      case 4: reader_.reserve(); break;  // what comes next comes during a read
      case 5: reader_.rest(); break;
    }
    check();
  }

  void finish() {
    while (!stream_.empty()) read();
    read_nothing();
    while (!kept_.empty() || !held_.empty()) take();
    reader_.rest();
    CHECK(reader_.box().allocated() == 0);
  }

 private:
  void read() {
    if (stream_.empty()) refill();
    std::string_view rest = stream_;
    reader_.read(rest, rng_.between(1, slice_));
    arrived_ += stream_.size() - rest.size();
    stream_.erase(0, stream_.size() - rest.size());
    while (!coming_.empty() && arrived_ >= coming_.front().size()) {
      arrived_ -= coming_.front().size();
      if (coming_.front()[4] == kept) {
        unreleased_ += coming_.front().size();
        kept_.push_back(std::move(coming_.front()));
      }
      coming_.pop_front();
    }
  }

  void read_nothing() {
    std::string_view nothing;
    reader_.read(nothing, 1);
  }

  void refill() {
    for (std::uint64_t n = rng_.between(1, 4); n > 0; --n) {
      const std::size_t size =
          rng_.once_in(8) ? rng_.between(head, head + largest_) : rng_.between(head, head + 40);
      const char kind = rng_.once_in(drops_) ? dropped : kept;
      coming_.push_back(item(kind, size, rng_.next()));
      stream_ += coming_.back();
    }
  }

  void take() {
    unreleased_ -= held_.size();
    held_.clear();
    const auto got = reader_.take();
    REQUIRE(got.empty() == kept_.empty());
    if (kept_.empty()) return;
    REQUIRE(got == kept_.front());
    held_ = std::move(kept_.front());
    kept_.pop_front();
  }

  void check() {
    REQUIRE(reader_.held() == held_);
    REQUIRE(reader_.box().whole().empty() == kept_.empty());
    if (!kept_.empty()) REQUIRE(reader_.box().whole().starts_with(kept_.front()));
    REQUIRE(reader_.box().begun().size() == arrived_);
    // Two neighbouring chunks are never both less than half full; the item that has begun may have
    // a place of twice its size, as long as its size is not known.
    REQUIRE(reader_.box().allocated() <= 2 * (unreleased_ + head + largest_) + 4 * chunk_size);
  }

  parley::test::random rng_;
  reader reader_;
  std::size_t largest_;
  std::size_t slice_;
  std::uint64_t drops_;

  std::deque<std::string> coming_;  ///< items of which not all bytes have arrived
  std::string stream_;              ///< their bytes that have not arrived
  std::size_t arrived_ = 0;         ///< bytes of the first of them that have
  std::deque<std::string> kept_;    ///< arrived, not taken
  std::string held_;
  std::size_t unreleased_ = 0;
};

}  // namespace

TEST_CASE("an inbox does what a queue of strings does, whatever comes in whichever order") {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    INFO("seed " << seed);
    twin t(seed);
    for (int i = 0; i < 600; ++i) t.step();
    t.finish();
  }
}

}  // namespace inbox_test
