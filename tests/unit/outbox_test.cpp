#include <parley/protocol/outbox.hpp>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "support/bytes.hpp"
#include "support/random.hpp"

namespace outbox_test {

namespace {

using parley::protocol::chunk_size;
using parley::protocol::gather;
using parley::protocol::outbox;
using parley::test::joined;
using parley::test::message_frame;
using parley::test::pattern;

constexpr std::size_t overhead = 12;            // of a message frame, docs/wire.md
constexpr std::size_t plenty = 64 * 1'048'576;  // a limit and a window that never matter
constexpr std::uint64_t no_limit = ~std::uint64_t{0};

/// Queues a message of `size` bytes and returns the frame that it became.
std::string queue(outbox& box, std::size_t size) {
  auto frame = message_frame(box.end(), pattern(box.end(), size));
  std::copy(frame.begin(), frame.end(), box.append(frame.size()));
  return frame;
}

std::string queue(outbox& box, const std::vector<std::size_t>& sizes) {
  std::string all;
  for (const auto size : sizes) all += queue(box, size);
  return all;
}

std::string prepared(outbox& box, std::uint64_t window = no_limit) {
  gather batch;
  box.prepare(batch, window);
  CHECK(batch.size() == joined(batch.pieces()).size());
  return joined(batch.pieces());
}

/// Prepares and commits one whole batch.
std::string write_batch(outbox& box, std::uint64_t window = no_limit) {
  const auto bytes = prepared(box, window);
  box.commit(bytes.size());
  return bytes;
}

std::string write_all(outbox& box, std::uint64_t window = no_limit) {
  std::string out;
  while (box.writable(window)) {
    const auto bytes = write_batch(box, window);
    REQUIRE(!bytes.empty());
    out += bytes;
  }
  return out;
}

/// How many whole frames `bytes` are; fails if the last one is cut.
std::size_t frames_in(std::string_view bytes) {
  std::size_t count = 0;
  for (; !bytes.empty(); ++count) {
    REQUIRE(bytes.size() >= 4);
    const std::size_t size = 4 + static_cast<unsigned char>(bytes[0]) * 65'536UL +
                             static_cast<unsigned char>(bytes[1]) * 256UL +
                             static_cast<unsigned char>(bytes[2]);
    REQUIRE(bytes.size() >= size);
    bytes.remove_prefix(size);
  }
  return count;
}

}  // namespace

// --- queueing -----------------------------------------------------------------------------------

TEST_CASE("an outbox begins with nothing to write and without memory") {
  outbox box(plenty);
  CHECK(!box.writable(no_limit));
  CHECK(box.between_batches());
  CHECK(prepared(box).empty());
  CHECK(box.held() == 0);
  CHECK(box.base() == 0);
  CHECK(box.end() == 0);
  CHECK(box.unsent() == 0);
  CHECK(box.allocated() == 0);
}

TEST_CASE("frames leave in the order in which they were queued") {
  outbox box(plenty);
  const auto all =
      queue(box, {5, 0, 70'000, 1, 65'388, 65'389, 3});  // around chunk_size - overhead
  CHECK(box.end() == 7);
  CHECK(box.held() == all.size());
  CHECK(write_all(box) == all);
  CHECK(!box.writable(no_limit));
}

TEST_CASE("the limit is reached by the last byte that fits and not before") {
  outbox box(100);
  CHECK(box.fits(100));
  CHECK(!box.fits(101));
  queue(box, 60 - overhead);
  CHECK(box.fits(40));
  CHECK(!box.fits(41));
}

TEST_CASE("what is written still counts against the limit, what is acknowledged does not") {
  outbox box(100);
  queue(box, 100 - overhead);
  write_all(box);
  CHECK(!box.fits(1));
  REQUIRE(box.acknowledge(1));
  CHECK(box.fits(100));
}

TEST_CASE("what a chunk's end wastes counts against the limit, so that memory keeps to it") {
  constexpr std::size_t limit = 64 * chunk_size;
  outbox box(limit);
  const std::size_t size = chunk_size / 2 + 1;  // only one of these fits a chunk
  std::size_t count = 0;
  for (; box.fits(overhead + size); ++count) queue(box, size);
  CHECK(box.allocated() <= limit + chunk_size);
  CHECK(count >= 64);  // a chunk each
  write_all(box);
  REQUIRE(box.acknowledge(1));
  CHECK(box.fits(overhead + size));
}

TEST_CASE("a limit below a chunk is not cut further where a chunk ends") {
  constexpr std::size_t limit = 5000;
  outbox box(limit);
  for (std::uint64_t i = 0; i < 200; ++i) {  // 200,000 bytes go through: three chunks' ends
    INFO("frame " << i);
    queue(box, 1000 - overhead);
    write_all(box);
    CHECK(box.fits(limit - box.held()));
    if (i >= 3) REQUIRE(box.acknowledge(i - 2));  // three frames stay on their way
  }
}

TEST_CASE("unsent tells what no batch has taken yet") {
  outbox box(plenty);
  queue(box, {10, 20, 30});
  CHECK(box.unsent() == 0);
  const auto bytes = prepared(box, 2 * overhead + 30);  // the first two
  CHECK(box.unsent() == 2);
  box.commit(bytes.size());
  CHECK(box.unsent() == 2);
  write_all(box);
  CHECK(box.unsent() == 3);
}

// --- batches ------------------------------------------------------------------------------------

TEST_CASE("a batch ends with a whole frame, whatever the window") {
  for (std::uint64_t window = 0; window < 200; ++window) {
    INFO("window " << window);
    outbox box(plenty);
    queue(box, {3, 0, 17, 40, 1, 60});
    const auto bytes = prepared(box, window);
    CHECK(bytes.size() <= window);
    CHECK(frames_in(bytes) == box.unsent());
  }
}

TEST_CASE("a batch is one chunk where fewer than four are queued") {
  outbox box(plenty);
  const std::size_t half = chunk_size / 2 - overhead;
  queue(box, {half, half, half, half, half, half});  // three chunks
  for (int i = 0; i < 3; ++i) {
    const auto bytes = write_batch(box);
    CHECK(bytes.size() == chunk_size);
    CHECK(frames_in(bytes) == 2);
  }
}

TEST_CASE("a batch is four chunks where as many are queued") {
  outbox box(plenty);
  const std::vector<std::size_t> nine(9, chunk_size - overhead);
  const auto all = queue(box, nine);
  CHECK(write_batch(box).size() == 4 * chunk_size);
  CHECK(write_batch(box).size() == 4 * chunk_size);
  CHECK(write_batch(box).size() == chunk_size);
  CHECK(all.size() == 9 * chunk_size);
}

TEST_CASE("frames longer than a chunk share a batch up to the size of four chunks") {
  outbox box(plenty);
  const std::size_t size = chunk_size + 1;
  const std::vector<std::size_t> six(6, size - overhead);
  queue(box, six);
  CHECK(write_batch(box).size() == 4 * size);
  CHECK(write_batch(box).size() == 2 * size);
  queue(box, {3 * chunk_size, 3 * chunk_size, 3 * chunk_size});
  CHECK(frames_in(write_batch(box)) == 2);  // one alone would be less
}

TEST_CASE("a chunk is full that the next frame did not fit into, of long ones four") {
  outbox box(plenty);
  queue(box, {chunk_size / 2, 10});
  CHECK(!box.has_full_chunk());
  queue(box, chunk_size / 2);
  CHECK(box.has_full_chunk());
  write_batch(box);
  CHECK(!box.has_full_chunk());
  write_all(box);
  for (int i = 0; i < 4; ++i) {
    CHECK(!box.has_full_chunk());
    queue(box, chunk_size);
  }
  CHECK(box.has_full_chunk());
  write_batch(box);
  CHECK(!box.has_full_chunk());
}

TEST_CASE("a chunk that is to be written again is full again") {
  outbox box(plenty);
  queue(box, {chunk_size / 2, chunk_size / 2, 10});
  write_all(box);
  CHECK(!box.has_full_chunk());
  CHECK(box.rewind(0) == 3);
  CHECK(box.has_full_chunk());
}

TEST_CASE("a batch has no more pieces than a write takes, wherever it begins") {
  outbox box(plenty);
  queue(box, 10);
  write_batch(box);  // from here on a batch begins within a chunk
  const std::vector<std::size_t> sizes(12, chunk_size / 2);
  queue(box, sizes);
  while (box.writable(no_limit)) {
    gather batch;
    box.prepare(batch, no_limit);
    CHECK(batch.pieces().size() < gather::most);  // one is kept for the control frames ahead
    box.commit(batch.size());
  }
}

TEST_CASE("what is queued during a write waits for the next batch") {
  outbox box(plenty);
  const auto first = queue(box, 10);
  CHECK(prepared(box) == first);
  const auto second = queue(box, 20);
  CHECK(prepared(box) == first);
  box.commit(5);
  CHECK(prepared(box) == first.substr(5));
  box.commit(first.size() - 5);
  CHECK(prepared(box) == second);
}

TEST_CASE("a batch goes on where the stream cut it, at every byte") {
  const std::vector<std::size_t> sizes{3, 0, 20};
  const std::size_t total = 3 * overhead + 23;
  for (std::size_t cut = 0; cut <= total; ++cut) {
    INFO("cut after " << cut << " bytes");
    outbox box(plenty);
    const auto all = queue(box, sizes);
    REQUIRE(prepared(box) == all);
    box.commit(cut);
    CHECK(box.between_batches() == (cut == total));
    CHECK(box.writable(no_limit) == (cut != total));
    CHECK(prepared(box) == all.substr(cut));
  }
}

TEST_CASE("a batch of four chunks goes on where the stream cut it, near every border") {
  const std::vector<std::size_t> sizes(4, chunk_size - overhead);
  for (std::size_t border = 0; border <= 4 * chunk_size; border += chunk_size) {
    for (const std::size_t cut : {border - 1, border, border + 1}) {
      if (cut > 4 * chunk_size) continue;
      INFO("cut after " << cut << " bytes");
      outbox box(plenty);
      const auto all = queue(box, sizes);
      REQUIRE(prepared(box) == all);
      box.commit(cut);
      CHECK(prepared(box) == all.substr(cut));
    }
  }
}

TEST_CASE("a stream that takes one byte at a time gets every byte once") {
  outbox box(plenty);
  const auto all = queue(box, {30, 0, 65'380, 7, 70'000});
  std::string out;
  while (box.writable(no_limit)) {
    gather batch;
    box.prepare(batch, no_limit);
    REQUIRE(!batch.empty());
    out += batch.pieces().front().front();
    box.commit(1);
  }
  CHECK(out == all);
}

TEST_CASE("a write that took nothing changes nothing") {
  outbox box(plenty);
  const auto all = queue(box, {10, 10});
  CHECK(prepared(box) == all);
  box.commit(0);
  CHECK(prepared(box) == all);
  CHECK(!box.between_batches());
}

// --- the window ---------------------------------------------------------------------------------

TEST_CASE("as much is written as the window holds, to the byte") {
  constexpr std::uint64_t two = 2 * (overhead + 10);
  const auto frames_within = [](std::uint64_t window) {
    outbox box(plenty);
    queue(box, {10, 10, 10});
    return frames_in(write_all(box, window));
  };
  CHECK(frames_within(0) == 0);
  CHECK(frames_within(two - 1) == 1);
  CHECK(frames_within(two) == 2);
  CHECK(frames_within(two + 1) == 2);
}

TEST_CASE("a frame longer than the window is not writable") {
  outbox box(plenty);
  queue(box, 10);
  CHECK(!box.writable(overhead + 9));
  CHECK(prepared(box, overhead + 9).empty());
  CHECK(box.unsent() == 0);
  CHECK(box.writable(overhead + 10));
}

TEST_CASE("an ack gives back the window that its frames took") {
  constexpr std::uint64_t window = overhead + 20;
  outbox box(plenty);
  const auto first = queue(box, 20);
  const auto second = queue(box, 15);
  const auto third = queue(box, 20);
  CHECK(write_all(box, window) == first);
  CHECK(!box.writable(window));
  REQUIRE(box.acknowledge(1));
  CHECK(box.writable(window));
  CHECK(write_all(box, window) == second);
  CHECK(!box.writable(window));
  REQUIRE(box.acknowledge(2));
  CHECK(write_all(box, window) == third);
}

TEST_CASE("the window counts over the borders of chunks") {
  const std::size_t size = 40'000;  // one frame to a chunk
  outbox box(plenty);
  queue(box, {size, size, size, size, size, size});
  const auto bytes = write_all(box, 5 * (overhead + size) - 1);
  CHECK(frames_in(bytes) == 4);
}

// --- acknowledgements ---------------------------------------------------------------------------

TEST_CASE("an ack of what was never sent is refused and changes nothing") {
  outbox box(plenty);
  CHECK(!box.acknowledge(1));
  queue(box, {10, 10, 10});
  CHECK(!box.acknowledge(1));  // queued, not sent
  write_all(box, 2 * (overhead + 10));
  CHECK(!box.acknowledge(3));
  CHECK(!box.acknowledge(~std::uint64_t{0}));
  CHECK(box.base() == 0);
  CHECK(box.held() == 3 * (overhead + 10));
  CHECK(box.acknowledge(2));
  CHECK(box.base() == 2);
}

TEST_CASE("an ack that is taken back is refused and changes nothing") {
  outbox box(plenty);
  queue(box, {10, 10, 10});
  write_all(box);
  REQUIRE(box.acknowledge(2));
  CHECK(!box.acknowledge(1));
  CHECK(!box.acknowledge(0));
  CHECK(box.base() == 2);
  CHECK(box.held() == overhead + 10);
}

TEST_CASE("an ack may be repeated") {
  outbox box(plenty);
  queue(box, {10, 10});
  CHECK(box.acknowledge(0));
  write_all(box);
  CHECK(box.acknowledge(1));
  CHECK(box.acknowledge(1));
  CHECK(box.acknowledge(2));
  CHECK(box.acknowledge(2));
  CHECK(box.held() == 0);
}

TEST_CASE("each frame is acknowledged by the number behind it, in any chunk") {
  outbox box(plenty);
  const std::vector<std::size_t> sizes{10, 60'000, 20'000, 70'000, 0, 65'388, 1, 30'000, 30'000};
  queue(box, sizes);
  write_all(box);
  std::size_t left = std::accumulate(sizes.begin(), sizes.end(), sizes.size() * overhead);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    REQUIRE(box.acknowledge(i + 1));
    left -= overhead + sizes[i];
    CHECK(box.held() == left);
    CHECK(box.base() == i + 1);
  }
  CHECK(box.end() == sizes.size());
}

TEST_CASE("one ack for many chunks frees them all but the next one in use") {
  outbox box(plenty);
  const std::vector<std::size_t> sizes(20, 40'000);
  queue(box, sizes);
  write_all(box);
  REQUIRE(box.acknowledge(20));
  CHECK(box.held() == 0);
  CHECK(box.allocated() == chunk_size);
  box.trim();
  CHECK(box.allocated() == 0);
}

TEST_CASE("what is not acknowledged is kept, however often it is asked for its memory") {
  outbox box(plenty);
  const auto all = queue(box, {10, 40'000, 40'000});
  box.trim();
  CHECK(write_all(box) == all);
  box.trim();
  REQUIRE(box.acknowledge(2));
  box.trim();
  CHECK(box.allocated() == chunk_size);
  CHECK(box.rewind(2) == 1);
  CHECK(write_all(box) == all.substr(all.size() - 40'000 - overhead));
}

TEST_CASE("an ack for a batch that is still being written leaves its memory alone") {
  outbox box(plenty);
  const auto all = queue(box, {10, 50'000, 50'000, 20});
  const auto first_chunk = all.substr(0, overhead + 10 + overhead + 50'000);
  gather batch;
  box.prepare(batch, no_limit);
  REQUIRE(joined(batch.pieces()) == first_chunk);
  box.commit(100);

  REQUIRE(box.acknowledge(2));  // the peer had the bytes before the write was known to be over
  CHECK(box.base() == 2);
  CHECK(joined(batch.pieces()) == first_chunk);
  CHECK(prepared(box) == first_chunk.substr(100));

  box.commit(first_chunk.size() - 100);
  CHECK(box.held() == all.size() - first_chunk.size());
  CHECK(write_all(box) == all.substr(first_chunk.size()));
}

TEST_CASE("an ack for a part of a batch that is being written counts when the write is over") {
  outbox box(plenty);
  const auto all = queue(box, {10, 20, 30});
  REQUIRE(prepared(box) == all);
  REQUIRE(box.acknowledge(2));
  CHECK(prepared(box) == all);
  box.commit(all.size());
  CHECK(box.held() == overhead + 30);
  CHECK(box.base() == 2);
}

TEST_CASE("an ack for earlier frames is at once room for new ones, even during a write") {
  outbox box(3 * (overhead + 10));
  queue(box, 10);
  write_all(box);
  queue(box, {10, 10});
  prepared(box);
  box.commit(1);
  CHECK(!box.fits(overhead + 10));
  REQUIRE(box.acknowledge(1));
  CHECK(box.fits(overhead + 10));
}

// --- memory -------------------------------------------------------------------------------------

TEST_CASE("many small messages share a chunk") {
  outbox box(plenty);
  const std::vector<std::size_t> sizes(chunk_size / (overhead + 8), 8);
  queue(box, sizes);
  CHECK(box.allocated() == chunk_size);
}

TEST_CASE("a frame longer than a chunk has one of its own") {
  outbox box(plenty);
  queue(box, 10);
  queue(box, chunk_size);
  CHECK(box.allocated() == chunk_size + (chunk_size + overhead));
  queue(box, 10);
  CHECK(box.allocated() == chunk_size + (chunk_size + overhead) + chunk_size);
}

TEST_CASE("chunks are given back as they are acknowledged") {
  outbox box(plenty);
  const std::vector<std::size_t> full(6, chunk_size - overhead);
  queue(box, full);
  write_all(box);
  CHECK(box.allocated() == 6 * chunk_size);
  for (std::uint64_t next = 1; next <= 6; ++next) {
    REQUIRE(box.acknowledge(next));
    CHECK(box.allocated() == std::max<std::size_t>(6 - next, 1) * chunk_size);
  }
}

TEST_CASE("a chunk is given back with its last frame and not before") {
  outbox box(plenty);
  const std::size_t half = chunk_size / 2 - overhead;
  queue(box, {half, half, half, half});
  write_all(box);
  REQUIRE(box.acknowledge(1));
  CHECK(box.allocated() == 2 * chunk_size);
  REQUIRE(box.acknowledge(2));
  CHECK(box.allocated() == chunk_size);
}

TEST_CASE("an outbox that fills and empties does not grow") {
  outbox box(plenty);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const auto frame = queue(box, 1000);
    REQUIRE(write_all(box) == frame);
    REQUIRE(box.acknowledge(i + 1));
    CHECK(box.allocated() <= 2 * chunk_size);
  }
}

TEST_CASE("an outbox that is never quite empty does not grow") {
  outbox box(plenty);
  queue(box, 1000);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    queue(box, 1000);
    write_all(box);
    REQUIRE(box.acknowledge(i + 1));
    CHECK(box.held() == overhead + 1000);
    CHECK(box.allocated() <= 3 * chunk_size);
  }
}

// --- a new connection ---------------------------------------------------------------------------

namespace {

/// Around every border: in one chunk, on a chunk's end, longer than a chunk.
const std::vector<std::size_t> mixed{10, 60'000, 20'000, 70'000, 0, 65'388, 1, 30'000, 30'000};

/// A box in which the frames of `mixed` stand, and these frames.
struct filled {
  outbox box{plenty};
  std::vector<std::string> frames;

  explicit filled(const std::vector<std::size_t>& sizes = mixed, std::uint64_t first = 0)
      : box(plenty, first) {
    for (const auto size : sizes) frames.push_back(queue(box, size));
  }

  /// The bytes of the frames from the one with this index on.
  [[nodiscard]] std::string from(std::size_t index) const {
    return std::accumulate(frames.begin() + static_cast<std::ptrdiff_t>(index), frames.end(),
                           std::string());
  }
};

}  // namespace

TEST_CASE("a new connection writes again from any frame on, after any acks, byte for byte") {
  const std::size_t count = mixed.size();
  for (std::uint64_t acked = 0; acked <= count; ++acked) {
    for (std::uint64_t next = acked; next <= count; ++next) {
      INFO("acknowledged " << acked << ", the peer has " << next);
      filled f;
      REQUIRE(write_all(f.box) == f.from(0));
      REQUIRE(f.box.acknowledge(acked));
      const auto held = f.box.held();
      const auto memory = f.box.allocated();
      CHECK(f.box.rewind(next) == count - next);
      CHECK(f.box.base() == acked);
      CHECK(f.box.unsent() == next);
      CHECK(f.box.end() == count);
      CHECK(f.box.held() == held);
      CHECK(f.box.allocated() == memory);  // nothing is copied
      CHECK(f.box.between_batches());
      CHECK(write_all(f.box) == f.from(next));
      for (std::uint64_t i = acked; i <= count; ++i) CHECK(f.box.acknowledge(i));
      CHECK(f.box.held() == 0);
    }
  }
}

TEST_CASE("a connection may be followed by another at every byte of a batch") {
  const std::vector<std::size_t> sizes{3, 0, 20};
  const std::size_t total = 3 * overhead + 23;
  for (std::size_t cut = 0; cut <= total; ++cut) {
    for (std::uint64_t next = 0; next <= sizes.size(); ++next) {
      INFO("cut after " << cut << " bytes, the peer has " << next);
      filled f(sizes);
      REQUIRE(prepared(f.box) == f.from(0));
      f.box.commit(cut);
      CHECK(f.box.rewind(next) == 3 - next);
      CHECK(f.box.between_batches());
      const auto late = queue(f.box, 7);
      CHECK(write_all(f.box) == f.from(next) + late);
    }
  }
}

TEST_CASE("a batch of four chunks that was cut near a border is written again") {
  const std::vector<std::size_t> sizes(6, chunk_size - overhead);
  for (std::size_t border = 0; border <= 4 * chunk_size; border += chunk_size) {
    for (const std::ptrdiff_t near : {-1, 0, 1}) {
      const auto cut = static_cast<std::ptrdiff_t>(border) + near;
      if (cut < 0 || cut > static_cast<std::ptrdiff_t>(4 * chunk_size)) continue;
      for (std::uint64_t next = 0; next <= 4; ++next) {
        INFO("cut after " << cut << " bytes, the peer has " << next);
        filled f(sizes);
        REQUIRE(prepared(f.box).size() == 4 * chunk_size);
        f.box.commit(static_cast<std::size_t>(cut));
        CHECK(f.box.rewind(next) == 4 - next);
        CHECK(write_all(f.box) == f.from(next));
      }
    }
  }
}

TEST_CASE("what was acknowledged in the middle of a batch is freed when the connection is gone") {
  for (std::uint64_t acked = 0; acked <= 4; ++acked) {
    for (std::uint64_t next = acked; next <= 4; ++next) {
      INFO("acknowledged " << acked << ", the peer has " << next);
      filled f(std::vector<std::size_t>(4, chunk_size - overhead));
      REQUIRE(!prepared(f.box).empty());
      f.box.commit(4 * chunk_size - 1);
      REQUIRE(f.box.acknowledge(acked));
      CHECK(f.box.rewind(next) == 4 - next);
      CHECK(f.box.held() == (4 - acked) * chunk_size);
      CHECK(f.box.allocated() <= (4 - acked) * chunk_size + chunk_size);  // with the spare one
      CHECK(write_all(f.box) == f.from(next));
    }
  }
}

TEST_CASE("a batch that is abandoned gives back what was acknowledged, and says no less was sent") {
  for (std::uint64_t acked = 0; acked <= 4; ++acked) {
    INFO("acknowledged " << acked);
    filled f(std::vector<std::size_t>(4, chunk_size - overhead));
    REQUIRE(!prepared(f.box).empty());
    f.box.commit(1);
    REQUIRE(f.box.acknowledge(acked));
    CHECK(f.box.held() == 4 * chunk_size);
    f.box.abandon_batch();
    CHECK(f.box.held() == (4 - acked) * chunk_size);
    CHECK(f.box.unsent() == 4);
    CHECK(f.box.between_batches());
    f.box.abandon_batch();  // once more changes nothing
    CHECK(f.box.rewind(acked) == 4 - acked);
    CHECK(write_all(f.box) == f.from(acked));
  }
}

TEST_CASE("what was never given to a connection is not counted as written again") {
  filled f({10, 20});
  REQUIRE(!write_all(f.box).empty());
  const auto late = queue(f.box, {30, 40});
  CHECK(f.box.rewind(1) == 1);
  CHECK(f.box.unsent() == 1);
  CHECK(write_all(f.box) == f.from(1) + late);
  CHECK(f.box.unsent() == 4);
}

TEST_CASE("connections may follow each other without a byte written") {
  filled f;
  CHECK(f.box.rewind(0) == 0);  // nothing was written before
  REQUIRE(write_all(f.box) == f.from(0));
  CHECK(f.box.rewind(0) == mixed.size());
  CHECK(f.box.rewind(0) == 0);
  CHECK(write_all(f.box) == f.from(0));
  for (std::uint64_t next = 0; next <= mixed.size(); ++next) {
    (void)write_all(f.box);
    CHECK(f.box.rewind(next) == mixed.size() - next);
  }
  CHECK(!f.box.writable(no_limit));
}

TEST_CASE("an empty outbox begins a new connection too, and is used on") {
  outbox box(plenty);
  CHECK(box.rewind(0) == 0);
  auto first = queue(box, 10);
  CHECK(write_all(box) == first);
  REQUIRE(box.acknowledge(1));
  CHECK(box.rewind(1) == 0);
  CHECK(!box.writable(no_limit));
  const auto second = queue(box, 20);
  CHECK(box.rewind(1) == 0);
  CHECK(write_all(box) == second);
}

TEST_CASE("a peer that says it has less cannot acknowledge more before it is written again") {
  filled f;
  REQUIRE(write_all(f.box) == f.from(0));
  REQUIRE(f.box.acknowledge(2));
  CHECK(f.box.rewind(4) == mixed.size() - 4);
  CHECK(!f.box.acknowledge(5));
  CHECK(!f.box.acknowledge(1));
  CHECK(f.box.acknowledge(4));
  while (f.box.writable(no_limit)) {
    (void)write_batch(f.box);
    const auto sent = f.box.unsent();
    CHECK(!f.box.acknowledge(sent + 1));
    CHECK(f.box.acknowledge(sent));
  }
  CHECK(f.box.held() == 0);
}

TEST_CASE("after a new connection the window still begins with what is not acknowledged") {
  constexpr std::uint64_t two = 2 * (overhead + 10);
  filled f({10, 10, 10, 10});
  REQUIRE(write_all(f.box, two) == f.from(0).substr(0, two));
  CHECK(f.box.rewind(1) == 1);
  // The peer has 0 and has not released it: there is room for 1 alone.
  CHECK(write_all(f.box, two) == f.frames[1]);
  REQUIRE(f.box.acknowledge(1));
  CHECK(write_all(f.box, two) == f.frames[2]);
  CHECK(f.box.rewind(3) == 0);
  CHECK(!f.box.writable(two));
  REQUIRE(f.box.acknowledge(3));
  CHECK(write_all(f.box, two) == f.frames[3]);
}

TEST_CASE("the window holds a new connection back in the middle of a chunk") {
  for (std::uint64_t window = 0; window < 200; ++window) {
    INFO("window " << window);
    filled f({5, 17, 0, 40, 3});
    REQUIRE(write_all(f.box) == f.from(0));
    CHECK(f.box.rewind(0) == 5);
    const auto bytes = prepared(f.box, window);
    CHECK(bytes == f.from(0).substr(0, bytes.size()));
    CHECK(f.box.unsent() == frames_in(bytes));
    CHECK(bytes.size() <= window);
  }
}

TEST_CASE("numbers near their borders are rewound to as well") {
  for (const std::uint64_t border :
       {std::uint64_t{1} << 32, std::uint64_t{1} << 63, std::uint64_t{0}}) {  // 0: 2^64
    const std::uint64_t first = border - 3;
    const std::size_t count = border == 0 ? 2 : 6;
    for (std::uint64_t i = 0; i <= count; ++i) {
      INFO("from " << first << ", the peer has " << i);
      filled f(std::vector<std::size_t>(count, 40'000), first);
      REQUIRE(write_all(f.box) == f.from(0));
      CHECK(f.box.rewind(first + i) == count - i);
      CHECK(f.box.unsent() == first + i);
      if (i < count) CHECK(!f.box.acknowledge(first + i + 1));
      CHECK(write_all(f.box) == f.from(i));
      CHECK(f.box.acknowledge(first + count));
      CHECK(f.box.held() == 0);
    }
  }
}

// --- large sequence numbers ---------------------------------------------------------------------

TEST_CASE("numbers go on across 2^32, across 2^63 and up to 2^64 - 1") {
  for (const std::uint64_t border :
       {std::uint64_t{1} << 32, std::uint64_t{1} << 63, std::uint64_t{0}}) {  // 0: 2^64
    const std::uint64_t first = border - 3;
    INFO("from " << first);
    outbox box(plenty, first);
    const std::size_t count = border == 0 ? 2 : 6;  // 2^64 - 1 is the last number that there is
    const auto all = queue(box, std::vector<std::size_t>(count, 40'000));
    CHECK(box.base() == first);
    CHECK(box.end() == first + count);
    CHECK(box.unsent() == first);
    CHECK(!box.acknowledge(first + 1));
    CHECK(write_all(box) == all);
    CHECK(box.unsent() == first + count);
    CHECK(!box.acknowledge(first - 1));
    for (std::size_t i = 1; i <= count; ++i) {
      CHECK(box.acknowledge(first + i));
      CHECK(!box.acknowledge(first + i - 1));
    }
    CHECK(!box.acknowledge(first + count + 1));
    CHECK(box.held() == 0);
  }
}

// --- against a model ----------------------------------------------------------------------------

namespace {

/// An outbox and what it should hold, doing the same random things.
class twin {
 public:
  explicit twin(std::uint64_t seed)
      : rng_(seed),
        limit_(rng_.between(200, 400'000)),
        window_(rng_.between(limit_ / 4, limit_)),
        largest_(std::min<std::size_t>(window_, rng_.once_in(3) ? window_ : 300) - overhead),
        box_(limit_) {}

  void step() {
    switch (rng_.below(7)) {
      case 0:
      case 1: append(); break;
      case 2: prepare(); break;
      case 3: commit(); break;
      case 4: acknowledge(); break;
      case 5: rewind(); break;
      case 6: box_.trim(); break;
    }
    check();
  }

  /// Writes and acknowledges the rest.
  void finish() {
    while (base_ < end() || under_way_ > 0) {
      prepare();
      commit();
      acknowledge();
      check();
    }
    CHECK(stream_.empty());
    CHECK(box_.held() == 0);
    CHECK(box_.allocated() <= chunk_size);
    box_.trim();
    CHECK(box_.allocated() == 0);
  }

 private:
  [[nodiscard]] std::uint64_t end() const { return base_ + frames_.size(); }

  [[nodiscard]] std::size_t held() const {
    std::size_t sum = 0;
    for (const auto& f : frames_) sum += f.size();
    return sum;
  }

  void append() {
    const std::size_t size = rng_.once_in(4) ? rng_.below(largest_ + 1) : rng_.below(60);
    if (overhead + size > window_) return;
    const bool fits = box_.fits(overhead + size);
    if (box_.held() + overhead + size > limit_) REQUIRE(!fits);
    if (box_.held() == 0) REQUIRE(fits);
    if (!fits) return;
    frames_.push_back(queue(box_, size));
    stream_ += frames_.back();
  }

  void prepare() {
    const bool fresh = box_.between_batches();
    const auto bytes = prepared(box_, window_);
    REQUIRE(bytes == stream_.substr(0, bytes.size()));
    if (fresh) taken_ = base_ + sent_ + frames_in(bytes);
    REQUIRE(box_.unsent() == std::max(taken_, base_));
    under_way_ = bytes.size();
  }

  void commit() {
    if (under_way_ == 0) return;
    const std::size_t n = rng_.once_in(3) ? under_way_ : rng_.below(under_way_ + 1);
    box_.commit(n);
    under_way_ -= n;
    stream_.erase(0, n);
    if (under_way_ == 0) sent_ = taken_ - base_;
    REQUIRE(box_.between_batches() == (under_way_ == 0));
  }

  void acknowledge() {
    CHECK(!box_.acknowledge(std::max(taken_, base_) + 1 + rng_.below(5)));
    if (base_ > 0) CHECK(!box_.acknowledge(base_ - 1));
    const std::uint64_t possible = std::max(taken_, base_) - base_;
    const std::uint64_t next = base_ + rng_.below(possible + 1);
    REQUIRE(box_.acknowledge(next));
    for (; base_ < next; ++base_) {
      frames_.pop_front();
      if (sent_ > 0) --sent_;
    }
  }

  /// One time in three, or hardly a batch would be written to its end.
  void rewind() {
    if (!rng_.once_in(3)) return;
    const std::uint64_t reached = std::max(taken_, base_);
    const std::uint64_t next = base_ + rng_.below(reached - base_ + 1);
    REQUIRE(box_.rewind(next) == reached - next);
    stream_.clear();
    for (std::size_t i = next - base_; i < frames_.size(); ++i) stream_ += frames_[i];
    taken_ = next;
    sent_ = next - base_;
    under_way_ = 0;
    REQUIRE(box_.unsent() == next);
    REQUIRE(box_.between_batches());
  }

  void check() {
    REQUIRE(box_.base() == base_);
    REQUIRE(box_.end() == end());
    if (under_way_ == 0) REQUIRE(box_.held() == held());
    REQUIRE(box_.held() >= held());
    REQUIRE(box_.held() <= limit_);
    // Two neighbouring chunks are never both less than half full, or they were one.
    REQUIRE(box_.allocated() <= 2 * box_.held() + 3 * chunk_size);
    // The last chunk, the spare one, and what the limit speaks of.
    REQUIRE(box_.allocated() <= limit_ + 3 * chunk_size);
  }

  parley::test::random rng_;
  std::size_t limit_;
  std::size_t window_;
  std::size_t largest_;
  outbox box_;

  std::deque<std::string> frames_;  ///< not acknowledged
  std::string stream_;              ///< not committed
  std::uint64_t base_ = 0;          ///< number of the first of `frames_`
  std::uint64_t taken_ = 0;         ///< number behind the last batch
  std::uint64_t sent_ = 0;          ///< of `frames_`, those whose batch is over
  std::size_t under_way_ = 0;       ///< bytes of the batch that are not committed
};

}  // namespace

TEST_CASE("an outbox does what a queue of strings does, whatever comes in whichever order") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    INFO("seed " << seed);
    twin t(seed);
    for (int i = 0; i < 600; ++i) t.step();
    t.finish();
  }
}

}  // namespace outbox_test
