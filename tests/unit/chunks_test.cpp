#include <parley/protocol/chunks.hpp>

#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace chunks_test {

namespace {

using parley::protocol::chunk_size;
using parley::protocol::chunks;
using parley::protocol::spares;

}  // namespace

TEST_CASE("a chunk stays below the loopback segment, with room for the control frames ahead") {
  constexpr std::size_t loopback_segment = 65'483;        // the largest over loopback
  constexpr std::size_t ack_ping_and_pong = 12 + 2 * 20;  // docs/wire.md
  CHECK(chunk_size + ack_ping_and_pong <= loopback_segment);
}

TEST_CASE("a log begins empty and without memory") {
  const chunks log;
  CHECK(log.empty());
  CHECK(log.allocated() == 0);
}

TEST_CASE("a chunk is of the usual size, or as long as what it is made for") {
  chunks log;
  CHECK(log.push(1).capacity == chunk_size);
  CHECK(log.push(chunk_size).capacity == chunk_size);
  CHECK(log.push(chunk_size + 1).capacity == chunk_size + 1);
  CHECK(log.allocated() == 3 * chunk_size + 1);
}

TEST_CASE("chunks are given back in the order in which they were added") {
  chunks log;
  for (std::uint64_t n = 0; n < 5; ++n) {
    log.push(1).first = n;
    CHECK(log.back().first == n);
    CHECK(log.front().first == 0);
  }
  for (std::uint64_t n = 0; n < 5; ++n) {
    REQUIRE(!log.empty());
    CHECK(log.front().first == n);
    log.pop();
  }
  CHECK(log.empty());
}

TEST_CASE("a chunk does not move when others are added") {
  chunks log;
  auto& first = log.push(1);
  std::memset(first.data.get(), 'x', first.capacity);
  first.end = first.capacity;
  const char* const at = first.data.get();
  for (int i = 0; i < 10; ++i) log.push(chunk_size);
  CHECK(log.front().data.get() == at);
  CHECK(log.front().view(0, 3) == "xxx");
  CHECK(log.front().room() == 0);
}

TEST_CASE("a log gives all of its memory back") {
  chunks log;
  log.push(1);
  log.push(chunk_size + 1);
  log.pop();
  log.pop();
  CHECK(log.allocated() == 0);
}

TEST_CASE("a chunk that one log gives back is the next one that any log gets, empty") {
  spares shared;
  chunks log(&shared);
  auto& used = log.push(1);
  const char* const at = used.data.get();
  used.end = 7;
  log.pop();
  CHECK(log.allocated() == 0);
  CHECK(shared.count() == 1);

  chunks other(&shared);
  auto& again = other.push(1);
  CHECK(again.data.get() == at);
  CHECK(again.end == 0);
  CHECK(again.next == nullptr);
  CHECK(other.allocated() == chunk_size);
  CHECK(shared.count() == 0);
}

TEST_CASE("no more than so many chunks are spared, and they are given back bit by bit") {
  spares shared;
  chunks log(&shared);
  for (std::size_t n = 0; n < 2 * spares::most; ++n) log.push(1);
  while (!log.empty()) log.pop();
  CHECK(shared.count() == spares::most);
  shared.drop();
  CHECK(shared.count() == spares::most / 2);
  for (std::size_t n = 1; n < spares::most; n *= 2) shared.drop();
  CHECK(shared.count() == 0);
}

TEST_CASE("a long chunk is spared for items that it is long enough for, and for no short ones") {
  spares shared;
  chunks log(&shared);
  const char* const at = log.push(2 * chunk_size).data.get();
  log.pop();
  CHECK(shared.count() == 1);
  CHECK(log.push(1).capacity == chunk_size);
  CHECK(log.push(2 * chunk_size + 1).capacity == 2 * chunk_size + 1);
  CHECK(shared.count() == 1);
  CHECK(log.push(2 * chunk_size - 1).data.get() == at);
  CHECK(shared.count() == 0);
}

TEST_CASE("few long chunks are spared, and none that is very long") {
  spares shared;
  chunks log(&shared);
  log.push(spares::longest + 1);
  log.pop();
  CHECK(shared.count() == 0);
  for (std::size_t n = 0; n < 2 * spares::most_long; ++n) log.push(spares::longest);
  while (!log.empty()) log.pop();
  CHECK(shared.count() == spares::most_long);
}

TEST_CASE("a view of a chunk is the bytes between two offsets") {
  chunks log;
  auto& c = log.push(1);
  std::memcpy(c.data.get(), "abcdef", 6);
  c.end = 6;
  CHECK(c.view(0, 6) == "abcdef");
  CHECK(c.view(2, 4) == "cd");
  CHECK(c.view(6, 6).empty());
  CHECK(c.room() == chunk_size - 6);
}

}  // namespace chunks_test
