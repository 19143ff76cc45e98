#include <parley/detail/pending_accepts.hpp>

#include <array>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/connect_pair.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/run.hpp"

namespace pending_accepts_test {

namespace {

using namespace std::chrono_literals;
using parley::any_socket;
using parley::errc;
using parley::options;
using parley::detail::pending_accept;
using parley::detail::pending_accepts;
using parley::test::launch;
using stage = pending_accept::stage;

options limits(std::size_t silent, std::size_t greeting, std::size_t per_address = 1000) {
  options o;
  o.max_silent = silent;
  o.max_handshakes = greeting;
  o.max_per_address = per_address;
  o.handshake_timeout = 1h;
  return o;
}

/// A listener's door, and callers who come to it.
struct door {
  explicit door(options o) : settings(std::move(o)) {}
  door(const door&) = delete;
  door& operator=(const door&) = delete;
  ~door() { inside.clear(); }

  /// Somebody over a Unix socket, who has no address.
  pending_accept& come() {
    asio::local::stream_protocol::socket here(context);
    asio::local::stream_protocol::socket there(context);
    asio::local::connect_pair(here, there);
    outside.emplace_back(std::move(there));
    return *inside.emplace_back(
        std::make_unique<pending_accept>(all, sockets.emplace_back(std::move(here))));
  }

  /// Somebody from this IPv4 address; all that begin with 127 are this machine's.
  pending_accept& come_from(const std::string& address) {
    asio::ip::tcp::acceptor at(context,
                               asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    asio::ip::tcp::socket there(context,
                                asio::ip::tcp::endpoint(asio::ip::make_address_v4(address), 0));
    there.connect(at.local_endpoint());
    outside.emplace_back(std::move(there));
    return *inside.emplace_back(
        std::make_unique<pending_accept>(all, sockets.emplace_back(at.accept())));
  }

  /// Comes, and is in that stage.
  pending_accept& come(stage s) {
    pending_accept& c = come();
    c.enter(s);
    return c;
  }
  pending_accept& come_from(const std::string& address, stage s) {
    pending_accept& c = come_from(address);
    c.enter(s);
    return c;
  }

  /// Which of those who came, in their order, were not sent away.
  [[nodiscard]] std::string stayed() const {
    std::string marks;
    for (const auto& c : inside) marks += c->socket.is_open() ? 'x' : '.';
    return marks;
  }

  asio::io_context context;
  options settings;
  pending_accepts all{context.get_executor(), settings};
  std::deque<any_socket> outside;
  std::deque<any_socket> sockets;  // before who is inside with them
  std::vector<std::unique_ptr<pending_accept>> inside;
};

}  // namespace

TEST_CASE("of those who say nothing the oldest goes when there are too many") {
  door d(limits(3, 1));
  for (int i = 0; i < 3; ++i) d.come();
  CHECK(d.stayed() == "xxx");
  d.come();
  CHECK(d.stayed() == ".xxx");
  d.come();
  CHECK(d.stayed() == "..xxx");
}

TEST_CASE("who goes by himself leaves his place to another") {
  door d(limits(3, 1));
  for (int i = 0; i < 3; ++i) d.come();
  d.inside.erase(d.inside.begin() + 1);
  d.come();
  CHECK(d.stayed() == "xxx");
  d.come();
  CHECK(d.stayed() == ".xxx");
}

TEST_CASE("who begins to greet is no longer among those who say nothing") {
  door d(limits(2, 2));
  d.come(stage::greeting);
  d.come(stage::greeting);
  d.come();
  d.come();
  CHECK(d.stayed() == "xxxx");
  d.come();
  CHECK(d.stayed() == "xx.xx");
}

TEST_CASE("of those in the middle of their greeting the oldest goes when there are too many") {
  door d(limits(100, 2));
  pending_accept& slow = d.come();  // came first, begins last
  d.come(stage::greeting);
  d.come(stage::greeting);
  slow.enter(stage::greeting);
  CHECK(d.stayed() == "x.x");
  d.come(stage::greeting);
  CHECK(d.stayed() == "x..x");
}

TEST_CASE("those who are sent away have places of their own") {
  door d(limits(100, 2));
  d.come(stage::greeting);
  d.come(stage::greeting);
  d.come(stage::leaving);
  d.come(stage::leaving);
  CHECK(d.stayed() == "xxxx");
  d.come(stage::leaving);
  CHECK(d.stayed() == "xx.xx");
  d.inside[0]->enter(stage::leaving);
  CHECK(d.stayed() == "xx..x");
}

TEST_CASE("whoever greets whole at once never takes a place, so nobody goes for him") {
  door d(limits(1, 1));
  d.come(stage::greeting);
  for (int i = 0; i < 10; ++i) {
    d.come();
    d.inside.pop_back();
  }
  CHECK(d.stayed() == "x");
}

TEST_CASE("entering a stage again changes nothing") {
  door d(limits(100, 2));
  pending_accept& first = d.come(stage::greeting);
  d.come(stage::greeting);
  first.enter(stage::greeting);
  d.come(stage::greeting);
  CHECK(d.stayed() == ".xx");  // the first is still the oldest
}

TEST_CASE("who was dropped takes no place any more, whatever he still does") {
  door d(limits(1, 1));
  pending_accept& dropped = d.come();
  d.come();
  REQUIRE(d.stayed() == ".x");
  d.come(stage::greeting);
  REQUIRE(d.stayed() == "..x");
  dropped.enter(stage::greeting);
  CHECK(d.stayed() == "..x");
  dropped.enter(stage::leaving);
  d.come(stage::leaving);
  CHECK(d.stayed() == "..xx");
}

TEST_CASE("a dropped caller's socket and his time are over at once") {
  door d(limits(1, 1));
  pending_accept& c = d.come();
  std::error_code heard;
  std::array<char, 1> byte;
  c.socket.async_read_some(asio::buffer(byte),
                           [&](std::error_code ec, std::size_t) { heard = ec; });
  d.context.poll();
  REQUIRE_FALSE(heard);
  REQUIRE_FALSE(c.ended);
  d.come();
  CHECK(c.ended == errc::crowded_out);
  CHECK(c.expires_at() == pending_accept::time_point::max());
  d.context.restart();
  d.context.poll();
  CHECK(heard == asio::error::operation_aborted);
  std::error_code end;
  d.outside.front().read_some(asio::buffer(byte), end);
  CHECK(end == asio::error::eof);
}

TEST_CASE("an address has so many places, and its own oldest caller makes room") {
  door d(limits(100, 100, 2));
  d.come_from("127.0.0.2", stage::greeting);
  d.come_from("127.0.0.1", stage::greeting);
  d.come_from("127.0.0.1", stage::greeting);
  d.come_from("127.0.0.2", stage::greeting);
  CHECK(d.stayed() == "xxxx");
  d.come_from("127.0.0.1", stage::greeting);
  CHECK(d.stayed() == "x.xxx");
  d.come_from("127.0.0.2", stage::greeting);
  CHECK(d.stayed() == "..xxxx");
  d.come_from("127.0.0.3", stage::greeting);
  CHECK(d.stayed() == "..xxxxx");
}

TEST_CASE("where an address makes room for itself no other goes for it") {
  door d(limits(100, 3, 2));
  d.come_from("127.0.0.2", stage::greeting);
  d.come_from("127.0.0.1", stage::greeting);
  d.come_from("127.0.0.1", stage::greeting);
  d.come_from("127.0.0.1", stage::greeting);  // one too many for both limits
  CHECK(d.stayed() == "x.xx");
}

TEST_CASE("an address is not counted among those who say nothing") {
  door d(limits(4, 100, 1));
  for (int i = 0; i < 4; ++i) d.come_from("127.0.0.1");
  CHECK(d.stayed() == "xxxx");
}

TEST_CASE("who has no address is not counted by it") {
  door d(limits(100, 4, 1));
  for (int i = 0; i < 4; ++i) d.come(stage::greeting);
  CHECK(d.stayed() == "xxxx");
}

TEST_CASE("a caller is known by address and port, and by the address alone") {
  door d(limits(10, 10));
  const pending_accept& tcp = d.come_from("127.0.0.5");
  CHECK(tcp.host() == "127.0.0.5");
  CHECK(tcp.who().starts_with("127.0.0.5:"));
  CHECK(tcp.who().size() > tcp.host().size() + 1);
  const pending_accept& local = d.come();
  CHECK(local.host().empty());
  CHECK(local.who() == "unix socket");
}

TEST_CASE("the oldest silent caller can be asked to make room, as long as there is one") {
  door d(limits(10, 10));
  d.come(stage::greeting);
  d.come();
  d.come();
  CHECK(d.all.drop_oldest_silent());
  CHECK(d.stayed() == "x.x");
  CHECK(d.all.drop_oldest_silent());
  CHECK(d.stayed() == "x..");
  CHECK_FALSE(d.all.drop_oldest_silent());
  CHECK(d.stayed() == "x..");
}

TEST_CASE("all can be sent away at once, in whatever stage they are") {
  door d(limits(10, 10));
  d.come();
  d.come(stage::greeting);
  d.come(stage::leaving);
  d.all.drop_all();
  CHECK(d.stayed() == "...");
  d.all.drop_all();
  d.come();
  CHECK(d.stayed() == "...x");
}

TEST_CASE("who takes much memory waits until those who made room for him are gone") {
  door d(limits(10, 1));
  d.come(stage::greeting);
  pending_accept& next = d.come(stage::greeting);
  REQUIRE(d.stayed() == ".x");
  auto waiting = launch(d.context, next.others_gone());
  d.context.poll_one();
  d.context.poll_one();
  CHECK_FALSE(waiting.done());
  d.inside.erase(d.inside.begin());
  CHECK(d.context.poll() < 5);  // and not until it has waited in vain
  CHECK(waiting.done());
  CHECK(next.socket.is_open());
}

TEST_CASE("nobody waits for those who are not gone because of something else") {
  door d(limits(1, 10));
  pending_accept& greeting = d.come(stage::greeting);
  SECTION("since nobody was dropped") {}
  SECTION("since only silent ones were") {
    d.come();
    d.come();
    REQUIRE(d.stayed() == "x.x");
  }
  auto waiting = launch(d.context, greeting.others_gone());
  CHECK(d.context.poll() < 8);  // there are eight turns to wait
  CHECK(waiting.done());
}

TEST_CASE("who waits for others to be gone does so for a few turns only, and not when dropped") {
  door d(limits(10, 1));
  d.come(stage::greeting);  // never goes
  pending_accept& next = d.come(stage::greeting);
  auto waiting = launch(d.context, next.others_gone());
  SECTION("a few turns") {
    const auto turns = d.context.poll();
    CHECK(turns >= 8);
    CHECK(turns < 20);
  }
  SECTION("dropped") {
    next.drop(errc::crowded_out);
    CHECK(d.context.poll() < 8);
  }
  CHECK(waiting.done());
}

TEST_CASE("the time for a greeting is counted from the call, and no stage gives more of it") {
  door d(limits(10, 10));
  const auto before = std::chrono::steady_clock::now();
  pending_accept& c = d.come();
  const auto due = c.expires_at();
  CHECK(due >= before + 1h);
  CHECK(due <= std::chrono::steady_clock::now() + 1h);
  c.enter(stage::greeting);
  c.enter(stage::leaving);
  CHECK(c.expires_at() == due);
}

TEST_CASE("whose time is over is dropped, and no other") {
  options o = limits(10, 10);
  o.handshake_timeout = 1ms;
  door d(std::move(o));
  pending_accept& c = d.come();
  std::error_code heard;
  std::array<char, 1> byte;
  c.socket.async_read_some(asio::buffer(byte),
                           [&](std::error_code ec, std::size_t) { heard = ec; });
  d.settings.handshake_timeout = 1h;
  d.come();
  while (!heard && d.context.run_one_for(10s) != 0) {
  }
  CHECK(c.ended == errc::handshake_timeout);
  CHECK(heard == asio::error::operation_aborted);
  CHECK(d.stayed() == ".x");
}

}  // namespace pending_accepts_test
