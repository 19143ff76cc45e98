#include <parley/protocol/lines.hpp>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "support/bytes.hpp"
#include "support/feed.hpp"
#include "support/random.hpp"

namespace lines_test {

namespace {

using namespace std::string_view_literals;
using namespace parley::test;
using parley::errc;
using parley::options;
using parley::send_result;
using parley::protocol::chunk_size;
using parley::protocol::lines;
using strings = std::vector<std::string>;

const std::error_code no_error;

options limited(std::size_t max_message) {
  options o;
  o.max_message = max_message;
  return o;
}

/// What a peer that says `bytes`, in reads of `slice`, is heard to say.
strings heard(std::string_view bytes, std::size_t slice = whole) {
  lines l{options{}};
  REQUIRE(feed(l, bytes, start, slice) == no_error);
  REQUIRE(l.commit_end() == no_error);
  return take_all(l);
}

std::error_code verdict(std::size_t max_message, std::string_view bytes,
                        std::size_t slice = whole) {
  lines l(limited(max_message));
  return feed(l, bytes, start, slice);
}

std::size_t rejections(lines& l) {
  std::size_t count = 0;
  for (; const auto why = l.rejection(); ++count) CHECK(why == errc::not_utf8);
  return count;
}

constexpr auto hello = "hello"sv;
constexpr auto accented = "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"sv;  // 2, 3 and 4 bytes long

}  // namespace

// --- reading ------------------------------------------------------------------------------------

TEST_CASE("a line is a message, with LF or CR LF at its end") {
  CHECK(heard("one\ntwo\r\nthree\n") == strings{"one", "two", "three"});
}

TEST_CASE("any split gives the same lines, within a character and within CR LF too") {
  const auto bytes = std::string(accented) + "\r\n\n\r\nx\n" + std::string(hello) + "\n";
  const strings wanted{std::string(accented), "", "", "x", std::string(hello)};
  for (std::size_t slice = 1; slice <= bytes.size(); ++slice) {
    INFO("reads of " << slice);
    CHECK(heard(bytes, slice) == wanted);
  }
}

TEST_CASE("lines have numbers from 0 and the tag 0") {
  lines l{options{}};
  REQUIRE(feed(l, "a\nb\n") == no_error);
  for (std::uint64_t sequence = 0; sequence < 2; ++sequence) {
    const auto m = l.take(start);
    REQUIRE(m);
    CHECK(m->sequence == sequence);
    CHECK(m->tag == 0);
  }
}

TEST_CASE("a carriage return that ends no line is part of the line") {
  CHECK(heard("a\rb\n\rc\n") == strings{"a\rb", "\rc"});
  CHECK(heard("a\r\r\n") == strings{"a\r"});
}

TEST_CASE("a line may hold any character but a line feed") {
  CHECK(heard("\0\x01\x1b[31m\x7f\n"sv) == strings{std::string("\0\x01\x1b[31m\x7f"sv)});
}

TEST_CASE("the last line needs no line feed") {
  CHECK(heard("one\ntwo") == strings{"one", "two"});
  CHECK(heard("one\ntwo\r") == strings{"one", "two"});
  CHECK(heard("x") == strings{"x"});
  CHECK(heard("one\n") == strings{"one"});
  CHECK(heard("").empty());
}

TEST_CASE("the end of the stream is the goodbye, behind the last line") {
  lines l{options{}};
  REQUIRE(feed(l, "one\ntwo") == no_error);
  CHECK(!l.at_end());
  REQUIRE(l.commit_end() == no_error);
  CHECK(!l.at_end());
  REQUIRE(l.take(start));
  REQUIRE(l.take(start));
  CHECK(l.at_end());
  CHECK(!l.take(start));
}

TEST_CASE("a line that is held stays as it is while more arrives") {
  lines l{options{}};
  REQUIRE(feed(l, "held\n") == no_error);
  const auto m = l.take(start);
  REQUIRE(m);
  for (int i = 0; i < 20; ++i) {
    REQUIRE(feed(l, std::string(10'000, static_cast<char>('a' + i)) + "\n", start, 777) ==
            no_error);
    REQUIRE(m->body == "held");
  }
  CHECK(take_all(l).size() == 20);
}

TEST_CASE("a long line behind a held one arrives, and takes at most twice its size") {
  lines l{options{}};
  REQUIRE(feed(l, "first\n") == no_error);
  REQUIRE(l.take(start));
  const std::string body(300'000, 'x');
  for (std::string_view rest = body; !rest.empty(); rest.remove_prefix(1000)) {
    REQUIRE(feed(l, rest.substr(0, 1000)) == no_error);
    REQUIRE(l.statistics().memory <= 2 * body.size() + 2 * chunk_size);
  }
  REQUIRE(feed(l, "\nlast\n") == no_error);
  CHECK(take_all(l) == strings{body, "last"});
}

// --- what is refused, and the conversation goes on ----------------------------------------------

TEST_CASE("a line that is not UTF-8 is refused and reported, and the next one arrives") {
  for (std::size_t slice = 1; slice <= 4; ++slice) {
    lines l{options{}};
    REQUIRE(feed(l,
                 "one\nb\xff"
                 "d\ntwo\n\xc3\n\xa9\nthree\n",
                 start, slice) == no_error);
    CHECK(rejections(l) == 3);
    CHECK(take_all(l) == strings{"one", "two", "three"});
  }
}

TEST_CASE("a character that a line feed cuts is refused, a whole one is not") {
  lines l{options{}};
  REQUIRE(feed(l, "\xe2\x82\n\xac\n\xe2\x82\xac\n") == no_error);
  CHECK(rejections(l) == 2);
  CHECK(take_all(l) == strings{"\xe2\x82\xac"});
}

TEST_CASE("a rejection is reported once") {
  lines l{options{}};
  CHECK(!l.rejection());
  REQUIRE(feed(l, "\xff\n") == no_error);
  CHECK(l.rejection() == errc::not_utf8);
  CHECK(!l.rejection());
}

TEST_CASE("a last line that the end of the stream cuts within a character is refused") {
  lines l{options{}};
  REQUIRE(feed(l, "one\ncaf\xc3") == no_error);
  REQUIRE(l.commit_end() == no_error);
  CHECK(rejections(l) == 1);
  CHECK(take_all(l) == strings{"one"});
  CHECK(l.at_end());
}

TEST_CASE("a flood of refused lines costs no memory, also while a line is held") {
  lines l{options{}};
  REQUIRE(feed(l, "held\n") == no_error);
  REQUIRE(l.take(start));
  const std::string bad = "\xff\xfe not UTF-8\n";
  for (std::size_t sent = 0; sent < 4 * chunk_size; sent += bad.size())
    REQUIRE(feed(l, bad) == no_error);
  CHECK(l.statistics().memory <= 2 * chunk_size);
  CHECK(!l.full());
}

// --- what ends the conversation -----------------------------------------------------------------

TEST_CASE("a line of the largest size is taken, one byte more ends the conversation") {
  for (const std::size_t size : {std::size_t{1}, std::size_t{100}, std::size_t{200'000}}) {
    for (const std::size_t slice : {std::size_t{999}, whole}) {
      INFO("max_message " << size << ", reads of " << slice);
      const std::string most(size, 'x');
      CHECK(verdict(size, most + "\n", slice) == no_error);
      CHECK(verdict(size, most + "\r\n", slice) == no_error);
      CHECK(verdict(size, most + "x\n", slice) == errc::line_too_long);
      CHECK(verdict(size, most + "x\r\n", slice) == errc::line_too_long);
      CHECK(verdict(size, most + "\r\r\n", slice) == errc::line_too_long);
      CHECK(verdict(size, "a\n" + most + "x\n", slice) == errc::line_too_long);
    }
  }
}

TEST_CASE("a line that is too long is refused before it ends") {
  const std::string most(100, 'x');
  CHECK(verdict(100, most) == no_error);
  CHECK(verdict(100, most + "\r") == no_error);  // LF may follow
  CHECK(verdict(100, most + "x") == errc::line_too_long);
  CHECK(verdict(100, most + "x\r") == errc::line_too_long);
  CHECK(verdict(100, most + "\rx") == errc::line_too_long);
}

TEST_CASE("a line without an end takes no more memory than the largest line needs, and ends") {
  for (const std::size_t slice : {std::size_t{1000}, whole}) {
    for (const char filler : {'x', '\r', '\0', '\xff'}) {
      lines l(limited(100'000));
      std::error_code ec;
      for (std::size_t sent = 0; !ec && sent < 1'000'000; sent += 1000) {
        ec = feed(l, std::string(1000, filler), start, slice);
        REQUIRE(l.statistics().memory <= 2 * 100'000 + 2 * chunk_size);
      }
      CHECK(ec == errc::line_too_long);
    }
  }
}

TEST_CASE("there is always room to read into, up to the last byte of the longest line") {
  // With a carriage return last, a line may be one byte longer before it is known to be too long.
  for (const std::size_t size :
       {std::size_t{100'000}, chunk_size - 2, chunk_size, chunk_size + 2}) {
    lines l(limited(size));
    CHECK(feed(l, std::string(size, 'x') + "\r", start, 1000) == no_error);
    CHECK(!l.prepare_read().empty());
  }
}

TEST_CASE("a framed peer is told from a plain one, however its hello is cut") {
  const auto framed = hex("00003a 01 7061726c6579 01 01 01");
  for (std::size_t slice = 1; slice <= framed.size(); ++slice) {
    lines l{options{}};
    CHECK(feed(l, framed, start, slice) == errc::framed_peer);
  }
}

TEST_CASE("a peer with TLS is told from a plain one, however its hello is cut") {
  const auto client_hello = hex("16 030102 0001 000001fc0303 ff");
  for (std::size_t slice = 1; slice <= client_hello.size(); ++slice) {
    lines l{options{}};
    CHECK(feed(l, client_hello, start, slice) == errc::framed_peer);
  }
}

TEST_CASE("a greeting's bytes in a later line are only a line") {
  const auto line = hex("00003a 01 7061726c6579") + "\n";
  CHECK(heard("hi\n" + line).size() == 2);
  CHECK(heard("hi\n" + line, 1).size() == 2);
}

TEST_CASE("a dialer that hears a notice of parley's and nothing else was turned away") {
  const auto outcome = [](bool dials, std::string_view bytes) {
    lines l{options{}};
    if (dials) l.dial(start);
    REQUIRE(feed(l, bytes, start) == no_error);
    const auto ended = l.commit_end();
    CHECK_FALSE(take_all(l).empty());  // what was said can be read all the same
    l.finish();
    CHECK(l.settled() == !ended);
    return ended;
  };
  CHECK(outcome(true, "parley: busy with another conversation\n") == errc::turned_away);
  CHECK(outcome(true, "parley: busy with another conversation") == errc::turned_away);
  CHECK(outcome(true, "parley: that is a fine program\nor not?\n") == no_error);
  CHECK(outcome(true, "hello\nparley: busy\n") == no_error);
  CHECK(outcome(true, "parley\n") == no_error);
  CHECK(outcome(false, "parley: busy\n") == no_error);
}

TEST_CASE("plain text that begins like a greeting's name is plain text") {
  CHECK(heard("parley is a word\n") == strings{"parley is a word"});
  CHECK(heard("   \x02parley\n").size() == 1);
}

// --- writing ------------------------------------------------------------------------------------

TEST_CASE("a message leaves as a line") {
  lines l{options{}};
  CHECK(!l.wants_write());
  REQUIRE(l.push("one", 0) == send_result::queued);
  REQUIRE(l.push("", 0) == send_result::queued);
  REQUIRE(l.push(accented, 0) == send_result::queued);
  CHECK(l.wants_write());
  CHECK(drain(l) == "one\n\n" + std::string(accented) + "\n");
  CHECK(!l.wants_write());
}

TEST_CASE("what is no line cannot be said, and why is told") {
  lines l(limited(100));
  CHECK(l.push("one\ntwo", 0) == send_result::unfit);
  CHECK(lines::unfit("one\ntwo") == errc::embedded_newline);
  CHECK(l.push("\n", 0) == send_result::unfit);
  CHECK(l.push("b\xff"
               "d",
               0) == send_result::unfit);
  CHECK(lines::unfit("b\xff"
                     "d") == errc::not_utf8);
  CHECK(l.push("tagged", 1) == send_result::unfit);
  CHECK(lines::unfit("tagged") == errc::bad_tag);
  CHECK(l.push(std::string(101, 'x'), 0) == send_result::too_large);
  CHECK(!l.wants_write());
  CHECK(l.statistics().messages_sent == 0);
  CHECK(l.push(std::string(100, 'x'), 0) == send_result::queued);
}

TEST_CASE("a full outbox refuses what it cannot hold, and takes it after a write") {
  auto o = limited(100);
  o.outbox = 112;
  lines l(o);
  REQUIRE(l.push(std::string(100, 'x'), 0) == send_result::queued);
  CHECK(l.push(std::string(11, 'x'), 0) == send_result::full);  // 101 + 12 with the line feed
  CHECK(l.push(std::string(10, 'x'), 0) == send_result::queued);
  CHECK(l.push("", 0) == send_result::full);
  l.commit_write(1, start);
  CHECK(l.push("", 0) == send_result::queued);
}

TEST_CASE("after the goodbye nothing more can be said, what is queued still goes out") {
  lines l{options{}};
  REQUIRE(l.push("last", 0) == send_result::queued);
  l.finish();
  CHECK(l.push("more", 0) == send_result::closed);
  CHECK(!l.output_done());
  CHECK(drain(l) == "last\n");
  CHECK(l.output_done());
}

TEST_CASE("output is not done before the goodbye") {
  lines l{options{}};
  CHECK(!l.output_done());
  l.finish();
  CHECK(l.output_done());
}

TEST_CASE("a write may be cut at every byte") {
  const strings bodies{"one", "", "three and a half"};
  const auto all = "one\n\nthree and a half\n"sv;
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    INFO("cut after " << cut << " bytes");
    lines l{options{}};
    for (const auto& body : bodies) REQUIRE(l.push(body, 0) == send_result::queued);
    REQUIRE(prepared(l) == all);
    l.commit_write(cut, start);
    CHECK(prepared(l) == all.substr(cut));
    const auto written =
        std::count(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(cut), '\n');
    CHECK(l.acknowledged() == static_cast<std::uint64_t>(written));
    CHECK(l.statistics().unacknowledged == 3 - l.acknowledged());
    CHECK(l.statistics().unsent == 3 - l.acknowledged());
  }
}

TEST_CASE("a line counts as delivered once the stream has all of it") {
  lines l{options{}};
  REQUIRE(l.push("one", 0) == send_result::queued);
  CHECK(l.next_sequence() == 1);
  l.commit_write(3, start);
  CHECK(l.acknowledged() == 0);
  l.commit_write(1, start);
  CHECK(l.acknowledged() == 1);
  CHECK(l.statistics().unacknowledged == 0);
}

TEST_CASE("a batch of lines is full when a chunk is queued") {
  lines l{options{}};
  REQUIRE(l.push(std::string(chunk_size - 2, 'x'), 0) == send_result::queued);
  CHECK(!l.batch_is_full());
  REQUIRE(l.push("", 0) == send_result::queued);
  CHECK(l.batch_is_full());
}

TEST_CASE("lines of every size around a chunk leave whole and in order") {
  lines l{options{}};
  std::string wanted;
  for (const std::size_t size : {std::size_t{10}, chunk_size - 2, chunk_size - 1, chunk_size,
                                 chunk_size + 1, std::size_t{0}, 3 * chunk_size, std::size_t{5}}) {
    const std::string body(size, 'x');
    REQUIRE(l.push(body, 0) == send_result::queued);
    wanted += body + "\n";
  }
  CHECK(drain(l, start, 50'000) == wanted);
  CHECK(l.acknowledged() == 8);
}

TEST_CASE("what was said during a write goes out behind it") {
  lines l{options{}};
  REQUIRE(l.push("one", 0) == send_result::queued);
  parley::protocol::gather batch;
  l.prepare_write(batch, start);
  REQUIRE(l.push("two", 0) == send_result::queued);
  CHECK(joined(batch.pieces()) == "one\n");
  l.commit_write(batch.size(), start);
  CHECK(drain(l) == "two\n");
}

TEST_CASE("lines that were written leave no more than one chunk behind") {
  lines l{options{}};
  for (int i = 0; i < 100; ++i) {
    REQUIRE(l.push(std::string(30'000, 'x'), 0) == send_result::queued);
    if (i % 10 == 9) drain(l);
  }
  CHECK(l.statistics().memory <= chunk_size);
}

// --- back-pressure ------------------------------------------------------------------------------

TEST_CASE("a program that leaves a window unreleased stops the reading, until it goes on") {
  auto o = limited(100);
  o.window = 112;
  lines l(o);
  REQUIRE(feed(l, std::string(55, 'x') + "\n") == no_error);
  CHECK(!l.full());
  REQUIRE(feed(l, std::string(54, 'x') + "\n") == no_error);
  CHECK(!l.full());  // 111 of 112
  REQUIRE(feed(l, "\n") == no_error);
  CHECK(l.full());
  REQUIRE(l.take(start));
  CHECK(l.full());  // looked at, not released
  REQUIRE(l.take(start));
  CHECK(!l.full());
}

TEST_CASE("what the window counts is given back to the last byte") {
  auto o = limited(100);
  o.window = 112;
  lines l(o);
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(feed(l, std::string(100, 'x') + "\r\n") == no_error);
    CHECK(take_all(l).size() == 1);
    CHECK(!l.full());
  }
}

// --- the rest of the interface ------------------------------------------------------------------

TEST_CASE("a plain conversation has no greeting, no heartbeat and no name") {
  lines l{options{}};
  CHECK(l.connected());
  CHECK(l.peer_name().empty());
  CHECK(l.refusal().empty());
  CHECK(lines::due() == time_point::max());
  CHECK(lines::tick(start) == no_error);
  l.ping();
  CHECK(!l.wants_write());
  CHECK(l.idle());
}

TEST_CASE("connections are counted") {
  lines dialer{options{}};
  lines listener{options{}};
  dialer.dial(start);
  listener.answer(start);
  CHECK(dialer.statistics().connections == 1);
  CHECK(listener.statistics().connections == 1);
}

TEST_CASE("statistics count lines and bytes, both ways, without their ends") {
  lines a{options{}};
  lines b{options{}};
  REQUIRE(a.push("12345", 0) == send_result::queued);
  REQUIRE(a.push("678", 0) == send_result::queued);
  REQUIRE(exchange(a, b) == no_error);
  CHECK(take_all(b).size() == 2);
  CHECK(a.statistics().messages_sent == 2);
  CHECK(a.statistics().bytes_sent == 8);
  CHECK(b.statistics().messages_received == 2);
  CHECK(b.statistics().bytes_received == 8);
}

// --- two of them --------------------------------------------------------------------------------

namespace {

/// A line of up to `most` bytes, of characters of one to four bytes.
std::string random_line(parley::test::random& rng, std::size_t most) {
  static const strings characters{
      "a", " ", "\t", "\x1b", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\r."};
  std::string line;
  const std::size_t size = rng.below(most + 1);
  while (line.size() + 4 <= size) line += characters[rng.below(characters.size())];
  return line;
}

}  // namespace

TEST_CASE("what one side says is what the other hears, in random reads and writes") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    parley::test::random rng(seed);
    auto o = limited(std::size_t{1} << rng.between(4, 17));
    o.window = o.max_message + 12 + rng.below(100'000);
    o.outbox = o.max_message + 12 + rng.below(100'000);
    lines speaker(o);
    lines hearer(o);
    // From single bytes on; where lines are long, about a hundred reads and writes for each.
    const std::size_t slice = (o.max_message / 128 + 1) << rng.below(8);
    const std::uint64_t count = o.max_message > 10'000 ? 50 : 300;
    std::string wire;
    strings said;
    std::uint64_t heard_so_far = 0;
    std::string next = random_line(rng, o.max_message);
    for (int steps = 0; heard_so_far < count; ++steps) {
      REQUIRE(steps < 10'000'000);  // far above what any seed has taken
      switch (rng.below(4)) {
        case 0:
          if (said.size() == count || speaker.push(next, 0) == send_result::full) break;
          said.push_back(next);
          next = random_line(
              rng, rng.once_in(5) ? o.max_message : std::min<std::size_t>(o.max_message, 80));
          break;
        case 1: {
          parley::protocol::gather batch;
          speaker.prepare_write(batch, start);
          if (batch.empty()) break;
          const auto bytes = batch.pieces().front();
          const std::size_t n = rng.below(std::min(bytes.size(), slice) + 1);
          wire += bytes.substr(0, n);
          speaker.commit_write(n, start);
          break;
        }
        case 2: {
          if (hearer.full()) break;
          const std::size_t n = rng.below(std::min(wire.size(), slice) + 1);
          REQUIRE(feed(hearer, std::string_view(wire).substr(0, n)) == no_error);
          wire.erase(0, n);
          break;
        }
        case 3:
          if (const auto m = hearer.take(start)) {
            REQUIRE(heard_so_far < said.size());
            REQUIRE(m->body == said[heard_so_far++]);
          }
          break;
      }
      REQUIRE(hearer.statistics().memory <=
              2 * (o.window + slice) + 2 * o.max_message + 4 * chunk_size);
      REQUIRE(speaker.statistics().memory <= 2 * o.outbox + 3 * chunk_size);
    }
    CHECK(speaker.statistics().unacknowledged == 0);
    CHECK(hearer.statistics().messages_received == count);
    CHECK(rejections(hearer) == 0);
  }
}

TEST_CASE("a plain conversation is complete when both have said all, and owes nothing") {
  lines l{options{}};
  CHECK(l.push("last", 0) == send_result::queued);
  CHECK(feed(l, "first\n") == no_error);
  l.finish();
  CHECK_FALSE(l.settled());
  CHECK(drain(l) == "last\n");
  REQUIRE(l.commit_end() == no_error);
  CHECK_FALSE(l.agreed());  // one line has not been taken
  CHECK(take_all(l) == strings{"first"});
  CHECK(l.complete());
  CHECK(l.agreed());
  CHECK(l.settled());
  CHECK_FALSE(l.owes_ack());
  CHECK_FALSE(l.urgent());
  CHECK(l.again() == 0);
}

TEST_CASE("a line is queued and taken one by one, and nobody is told of an end at once") {
  lines l{options{}};
  CHECK_FALSE(l.push_behind("line", 0));
  CHECK(feed(l, "one\ntwo\n") == no_error);
  CHECK_FALSE(l.has_next());
  CHECK(l.take_next()->body == "one");
  CHECK_FALSE(l.abandon());
  l.detach();
  CHECK(take_all(l) == strings{"two"});
}

}  // namespace lines_test
