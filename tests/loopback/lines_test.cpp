// Plain lines over real sockets, between two peers and with sockets that know nothing of parley.

#include <asio/io_context.hpp>
#include <asio/write.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/dial.hpp>
#include <parley/listener.hpp>

#include "support/loopback.hpp"
#include "support/run.hpp"

namespace lines_test {

namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using parley::any_socket;
using parley::errc;
using parley::event;
using parley::lines;
using parley::options;
using parley::send_result;
using parley::test::launch;
using parley::test::run;
using parley::test::run_until;
using parley::test::served;
using parley::test::socket_pair;
using parley::test::transport;
using peer = parley::basic_peer<any_socket, lines>;

// --- a socket that knows nothing of parley, and a peer -------------------------------------------

/// As `nc` is: it writes and reads what it likes.
struct conversation {
  explicit conversation(options o = {}) : server(context, transport::ipv4, watched(std::move(o))) {
    auto accepted = launch(context, server.listener.accept());
    plain = server.connect(context);
    run_until(context, [&] { return accepted.done(); });
    here = accepted.get();
  }

  options watched(options o) {
    o.on_event = [this](const event& e) {
      if (e.what == event::kind::rejected) rejected.push_back(e.reason);
    };
    return o;
  }

  void say(std::string_view bytes) { plain.write_some(asio::buffer(bytes)); }

  /// What comes, until it ends with `last` or the stream ends.
  std::string hear(std::string_view last = "") {
    const auto collect = [](any_socket& s, std::string until) -> asio::awaitable<std::string> {
      std::string all;
      std::string room(4096, '\0');
      std::error_code ec;
      while (!ec && (until.empty() || !all.ends_with(until))) {
        const auto n = co_await s.async_read_some(asio::buffer(room),
                                                  asio::redirect_error(asio::use_awaitable, ec));
        all.append(room, 0, n);
      }
      co_return all;
    };
    return run(context, collect(plain, std::string(last)));
  }

  std::string receive() {
    const auto m = run(context, here.receive());
    return m ? std::string(m->body) : "goodbye";
  }

  std::error_code failure() {
    try {
      (void)run(context, here.receive());
    } catch (const std::system_error& e) {
      return e.code();
    }
    return {};
  }

  std::vector<std::error_code> rejected;
  asio::io_context context;
  served<lines> server;
  any_socket plain{context};
  peer here;
};

}  // namespace

TEST_CASE("lines from a plain socket are messages, with LF or CR LF") {
  conversation c;
  c.say("one\ntwo\r\n\n");
  CHECK(c.receive() == "one");
  CHECK(c.receive() == "two");
  CHECK(c.receive().empty());
}

TEST_CASE("messages are lines for a plain socket") {
  conversation c;
  CHECK(c.here.try_send("one") == send_result::queued);
  CHECK(c.here.try_send("") == send_result::queued);
  CHECK(c.here.try_send("zw\xc3\xb6lf") == send_result::queued);
  CHECK(c.hear("lf\n") == "one\n\nzw\xc3\xb6lf\n");
}

TEST_CASE("a character that is cut between two writes arrives whole") {
  constexpr auto text = "gr\xc3\xbc\xc3\x9f \xf0\x9f\x91\x8b\n"sv;
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    CAPTURE(cut);
    conversation c;
    c.say(text.substr(0, cut));
    run_until(c.context, [&] { return c.here.statistics().memory != 0; });  // it has been read
    CHECK_FALSE(c.here.try_receive());
    c.say(text.substr(cut));
    CHECK(c.receive() == text.substr(0, text.size() - 1));
    CHECK(c.rejected.empty());
  }
}

TEST_CASE("a line that is no UTF-8 is rejected, and the conversation goes on") {
  conversation c;
  c.say(
      "good\nb\xff"
      "d\n\xc0\x80\ngood again\n");
  CHECK(c.receive() == "good");
  CHECK(c.receive() == "good again");
  CHECK(c.rejected == std::vector<std::error_code>(2, errc::not_utf8));
  CHECK(c.here.try_send("still here") == send_result::queued);
  CHECK(c.hear("\n") == "still here\n");
  CHECK_FALSE(c.here.ended());
}

TEST_CASE("what is no line is not sent as one") {
  conversation c;
  std::error_code ec;
  const auto send = [&](std::string_view body, parley::tag_type tag) {
    (void)run(c.context, c.here.send(body, tag, ec));
    return ec;
  };
  CHECK(send("two\nlines", 0) == errc::embedded_newline);
  CHECK(send("\xff", 0) == errc::not_utf8);
  CHECK(send("tagged", 1) == errc::bad_tag);
  CHECK(send(std::string(options().max_message + 1, 'x'), 0) == errc::message_too_large);
  CHECK_FALSE(send("a line", 0));
  CHECK(c.hear("\n") == "a line\n");
}

TEST_CASE("a line over the limit ends the conversation") {
  options o;
  o.max_message = 10;
  conversation c(o);
  SECTION("that ends") { c.say("ten bytes.\n11 bytes...\n"); }
  SECTION("that does not end") { c.say("ten bytes.\nand so on and on"); }
  CHECK(c.receive() == "ten bytes.");
  CHECK(c.failure() == errc::line_too_long);
}

TEST_CASE("a socket that ends its output has said goodbye, and can still be told something") {
  conversation c;
  c.say("first\nlast without an end");
  c.plain.shutdown(asio::socket_base::shutdown_send);
  CHECK(c.receive() == "first");
  CHECK(c.receive() == "last without an end");
  CHECK(c.receive() == "goodbye");
  CHECK_FALSE(c.here.ended());
  const auto r = run(c.context, c.here.send("for you"));
  CHECK(run(c.context, c.here.delivered(r)));
  auto closing = launch(c.context, c.here.close());
  CHECK(c.hear() == "for you\n");
  run_until(c.context, [&] { return closing.done(); });
  CHECK(closing.get() == 0);
  CHECK_FALSE(c.here.reason());
}

TEST_CASE("our goodbye ends our output, and what comes after it is still received") {
  conversation c;
  CHECK(c.here.try_send("bye") == send_result::queued);
  c.here.finish();
  CHECK(c.here.try_send("late") == send_result::closed);
  CHECK(c.hear() == "bye\n");  // to the end
  c.say("one more thing\n");
  CHECK(c.receive() == "one more thing");
  CHECK_FALSE(c.here.ended());
  c.plain.close();
  CHECK(c.receive() == "goodbye");
  run_until(c.context, [&] { return c.here.ended(); });
  CHECK_FALSE(c.here.reason());
}

TEST_CASE("a line is delivered once the stream has taken it") {
  conversation c;
  const auto first = run(c.context, c.here.send("one"));
  CHECK(run(c.context, c.here.delivered(first)));
  const auto second = run(c.context, c.here.send("two"));
  run(c.context, c.here.delivered_beyond(second.sequence));
  CHECK(c.here.delivered_count() == 2);
  CHECK(c.here.statistics().unacknowledged == 0);
}

TEST_CASE("a reset is an error, not a goodbye") {
  conversation c;
  c.plain.set_option(asio::socket_base::linger(true, 0));
  c.plain.close();
  CHECK(c.failure() == asio::error::connection_reset);
}

TEST_CASE("a program that takes nothing holds the sender back, and memory stays bounded") {
  options o;
  o.max_message = 1000;
  o.window = 20'000;
  conversation c(o);
  const std::string line = std::string(999, 'x') + "\n";
  c.plain.non_blocking(true);
  // Until no more goes in: what both sockets hold, and a window.
  std::size_t written = 0;
  for (int idle = 0; idle < 3;) {
    std::error_code ec;
    written += c.plain.write_some(asio::buffer(line) + written % line.size(), ec);
    if (ec != asio::error::would_block) continue;
    if (c.context.poll() == 0) ++idle;
    c.context.restart();
  }
  CHECK(c.here.statistics().memory <= o.window + 3 * parley::protocol::chunk_size);
  c.plain.shutdown(asio::socket_base::shutdown_send);
  std::size_t received = 0;
  for (auto m = run(c.context, c.here.receive()); m; m = run(c.context, c.here.receive()))
    received += m->body.size() + 1;
  // A last line that was cut has got an end of its own.
  CHECK(received == written + (written % line.size() == 0 ? 0 : 1));
}

// --- two peers -----------------------------------------------------------------------------------

namespace {

std::string text(std::uint32_t seed, int i) {
  std::minstd_rand random(seed + static_cast<std::uint32_t>(i) * 7919U);
  random.discard(2);
  const auto most = random() % 100 == 0 ? 200'000U : 300U;
  std::string out(random() % most, 'x');
  for (std::size_t at = 0; at < out.size(); at += 97)
    out[at] = static_cast<char>('a' + random() % 26);
  return out + "\xc3\xa9 " + std::to_string(i);
}

asio::awaitable<void> send_all(peer& p, std::uint32_t seed, int count) {
  for (int i = 0; i < count; ++i) {
    const std::string body = text(seed, i);
    co_await p.send(body);
  }
  p.finish();
}

asio::awaitable<void> receive_all(peer& p, std::uint32_t seed, int count) {
  int i = 0;
  for (;;) {
    const auto m = co_await p.receive();
    if (!m) break;
    if (m->body != text(seed, i)) throw std::runtime_error("line " + std::to_string(i));
    ++i;
  }
  if (i != count) throw std::runtime_error("only " + std::to_string(i) + " lines");
}

}  // namespace

TEST_CASE("two peers exchange lines of all sizes both ways at once") {
  options tight;
  tight.max_message = 210'000;
  tight.window = tight.outbox = 220'000;
  const bool is_tight = GENERATE(false, true);
  const auto t = GENERATE(transport::ipv4, transport::unix_socket);
  socket_pair<lines> pair(t, is_tight ? tight : options(), is_tight ? tight : options());
  constexpr int count = 3000;
  pair.run(send_all(pair.left, 1, count), receive_all(pair.right, 1, count),
           send_all(pair.right, 2, count), receive_all(pair.left, 2, count));
  pair.run_until([&] { return pair.left.ended() && pair.right.ended(); });
  CHECK_FALSE(pair.left.reason());
  CHECK_FALSE(pair.right.reason());
  CHECK(pair.left.delivered_count() == count);
}

TEST_CASE("send goes on where the outbox holds less than a write") {
  options tiny;
  tiny.max_message = 100;
  tiny.window = tiny.outbox = 112;
  socket_pair<lines> pair(transport::unix_socket, tiny, tiny);
  for (int i = 0; i < 20; ++i) {
    (void)run(pair.context, pair.left.send(std::string(100, 'x')));
    (void)run(pair.context, pair.left.send("y"));
    CHECK(run(pair.context, pair.right.receive())->body.size() == 100);
    CHECK(run(pair.context, pair.right.receive())->body == "y");
  }
}

TEST_CASE("two peers that close at once part without waiting") {
  socket_pair<lines> pair(transport::ipv4);
  CHECK(pair.left.try_send("last") == send_result::queued);
  auto left = launch(pair.context, pair.left.close(1h));
  auto right = launch(pair.context, pair.right.close(1h));
  pair.run_until([&] { return left.done() && right.done(); });
  CHECK(left.get() == 0);
  CHECK(right.get() == 0);
  CHECK_FALSE(pair.left.reason());
  CHECK_FALSE(pair.right.reason());
}

TEST_CASE("two peers that close one after the other part without waiting") {
  socket_pair<lines> pair(transport::ipv4);
  auto left = launch(pair.context, pair.left.close(1h));
  CHECK_FALSE(run(pair.context, pair.right.receive()));
  auto right = launch(pair.context, pair.right.close(1h));
  pair.run_until([&] { return left.done() && right.done(); });
  CHECK_FALSE(pair.left.reason());
  CHECK_FALSE(pair.right.reason());
}

// --- who speaks what -----------------------------------------------------------------------------

TEST_CASE("a framed dialer at a plain listener, and the other way round, learn what is wrong") {
  asio::io_context context;
  options o;
  std::error_code turned_away;
  o.on_event = [&](const event& e) {
    if (e.what == event::kind::turned_away) turned_away = e.reason;
  };
  SECTION("framed at plain") {
    served<lines> server(context, transport::ipv4, o);
    parley::tcp_connector to{"127.0.0.1", std::to_string(server.port())};
    auto accepting = launch(context, server.listener.accept());
    auto dialing = launch(context, parley::dial(std::move(to), o));
    auto here = [&] {
      run_until(context, [&] { return accepting.done(); });
      return accepting.get();
    }();
    run_until(context, [&] { return here.ended(); });
    CHECK(here.reason() == errc::framed_peer);
    run_until(context, [&] { return dialing.done(); });
    CHECK_THROWS_AS(dialing.get(), std::system_error);
  }
  SECTION("plain at framed") {
    served<> server(context, transport::ipv4, o);
    parley::tcp_connector to{"127.0.0.1", std::to_string(server.port())};
    auto left = run(context, parley::dial<lines>(std::move(to), o));
    CHECK(left.try_send("is anybody there?") == send_result::queued);
    run_until(context, [&] { return left.ended() || left.at_end(); });
    run_until(context, [&] { return static_cast<bool>(turned_away); });
    CHECK(turned_away == errc::not_parley);
  }
}

TEST_CASE("a plain caller too many reads that this side is busy") {
  options one;
  one.max_peers = 1;
  conversation c(one);
  auto second = c.server.connect(c.context);
  std::swap(second, c.plain);
  CHECK(c.hear() == "parley: busy with another conversation\n");
  std::swap(second, c.plain);
  c.say("the first one has noticed nothing\n");
  CHECK(c.receive() == "the first one has noticed nothing");
}

}  // namespace lines_test
