#include <parley/detail/session_table.hpp>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>

#include "support/bytes.hpp"

namespace session_table_test {

namespace {

using namespace std::chrono_literals;
using parley::errc;
using parley::refuse_reason;
using parley::protocol::frame::session_id;

/// As much of a conversation as a table of them asks for.
struct conversation {
  struct state {
    session_id name;
    std::uint64_t done_with;
    [[nodiscard]] const session_id& id() const { return name; }
    [[nodiscard]] std::uint64_t released() const { return done_with; }
  };
  state kept;
  std::error_code why;

  [[nodiscard]] const state& protocol() const { return kept; }
  [[nodiscard]] std::error_code reason() const { return why; }
};

using session_table = parley::detail::session_table<conversation>;

constexpr session_table::time_point start{1h};
constexpr std::size_t most_tombs = 4096;

session_id id_of(std::uint64_t number) {
  session_id id{};
  const auto bytes = parley::test::big_endian(number, id.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) id[i] = static_cast<unsigned char>(bytes[i]);
  return id;
}

std::shared_ptr<conversation> make(std::uint64_t number, std::uint64_t released = 0,
                                   std::error_code why = {}) {
  return std::make_shared<conversation>(conversation{{id_of(number), released}, why});
}

/// A table in which a conversation has lived and ended.
struct buried {
  session_table all{10s};
  buried(std::uint64_t released, std::error_code why) {
    const auto c = make(1, released, why);
    all.add(c);
    all.bury(*c, start);
  }
};

}  // namespace

TEST_CASE("a conversation is found by its id while it lives") {
  session_table all(10s);
  const auto one = make(1);
  const auto two = make(2);
  all.add(one);
  all.add(two);
  CHECK(all.find(id_of(1)) == one);
  CHECK(all.find(id_of(2)) == two);
  CHECK(all.find(id_of(3)) == nullptr);
  CHECK(!all.over(id_of(1), start));
  CHECK(!all.over(id_of(3), start));
}

TEST_CASE("of one that is over is told how far it had come, and it is let go") {
  session_table all(10s);
  auto c = make(1, 77);
  const std::weak_ptr<conversation> seen = c;
  all.add(c);
  all.bury(*c, start);
  c.reset();
  CHECK(seen.expired());
  CHECK(all.find(id_of(1)) == nullptr);
  const auto told = all.over(id_of(1), start);
  REQUIRE(told);
  CHECK(told->reason == refuse_reason::ended);
  CHECK(told->next == 77);
  CHECK(told->text.empty());
  CHECK(!all.over(id_of(2), start));
}

TEST_CASE("one that was not carried on in time has expired, any other has ended") {
  CHECK(buried(5, errc::not_back).all.over(id_of(1), start)->reason == refuse_reason::expired);
  CHECK(buried(5, errc::not_back).all.over(id_of(1), start)->next == 5);
  for (const std::error_code why :
       {std::error_code(), make_error_code(errc::aborted), make_error_code(errc::ended_by_peer),
        make_error_code(errc::disconnected), make_error_code(errc::sequence_gap)}) {
    INFO(why.message());
    CHECK(buried(5, why).all.over(id_of(1), start)->reason == refuse_reason::ended);
  }
}

TEST_CASE("what is over is remembered for its time, and not a moment longer") {
  auto list = buried(5, {});
  CHECK(list.all.over(id_of(1), start + 10s - 1ns));
  CHECK(!list.all.over(id_of(1), start + 10s));
  CHECK(!list.all.over(id_of(1), start));  // it is forgotten
}

TEST_CASE("each is forgotten in its own time") {
  session_table all(10s);
  for (std::uint64_t i = 0; i < 5; ++i) {
    const auto c = make(i, i);
    all.add(c);
    all.bury(*c, start + std::chrono::seconds(i));
  }
  for (std::uint64_t i = 0; i < 5; ++i) {
    const auto now = start + 10s + std::chrono::seconds(i);
    CHECK(!all.over(id_of(i), now));
    if (i + 1 < 5) CHECK(all.over(id_of(i + 1), now)->next == i + 1);
  }
}

TEST_CASE("with no time to be remembered nothing is") {
  session_table all(0ms);
  const auto c = make(1);
  all.add(c);
  all.bury(*c, start);
  CHECK(!all.over(id_of(1), start));
  CHECK(all.find(id_of(1)) == nullptr);
}

TEST_CASE("where too many are over the oldest are forgotten") {
  session_table all(10s);
  for (std::uint64_t i = 0; i < most_tombs + 2; ++i) {
    const auto c = make(i);
    all.add(c);
    all.bury(*c, start);
  }
  CHECK(!all.over(id_of(0), start));
  CHECK(!all.over(id_of(1), start));
  CHECK(all.over(id_of(2), start));
  CHECK(all.over(id_of(most_tombs + 1), start));
}

TEST_CASE("those that live are never forgotten for those that are over") {
  session_table all(10s);
  const auto alive = make(most_tombs * 2);
  all.add(alive);
  for (std::uint64_t i = 0; i < most_tombs + 2; ++i) {
    const auto c = make(i);
    all.add(c);
    all.bury(*c, start);
  }
  CHECK(all.find(alive->protocol().id()) == alive);
}

TEST_CASE("each that lives is called, and may end meanwhile") {
  session_table all(10s);
  for (std::uint64_t i = 0; i < 5; ++i) all.add(make(i));
  const auto over = make(9);
  all.add(over);
  all.bury(*over, start);
  int called = 0;
  all.each([&](conversation& c) {
    ++called;
    all.bury(c, start);
  });
  CHECK(called == 5);
  for (std::uint64_t i = 0; i < 5; ++i) CHECK(all.over(id_of(i), start));
  all.each([&](conversation&) { ++called; });
  CHECK(called == 5);
}

}  // namespace session_table_test
