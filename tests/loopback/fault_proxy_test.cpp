// The proxy that breaks connections for other tests, with plain sockets on both sides of it; and
// the real programs through it.
#include "support/fault_proxy.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/process.hpp"
#include "support/programs.hpp"

namespace fault_proxy_test {

using namespace parley::test;

namespace {

constexpr auto there = direction::to_server;
constexpr auto back = direction::to_client;

// --- blocking sockets ----------------------------------------------------------------------------

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// A connected socket. What hangs is an error.
class plain_socket {
 public:
  explicit plain_socket(descriptor fd) : fd_(std::move(fd)) {
    const timeval limit{.tv_sec = patience.count(), .tv_usec = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }

  /// False if the other side is gone.
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) return false;
      if (n < 0) fail("send");
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  /// What goes out without waiting, in bytes.
  std::size_t send_some(std::string_view text) {
    const ssize_t n = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) fail("send");
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }

  /// Exactly `size` bytes, or fewer if it ends before.
  std::string receive(std::size_t size) {
    std::string all(size, '\0');
    std::size_t done = 0;
    for (ssize_t n = 1; n > 0 && done < size; done += static_cast<std::size_t>(n)) {
      n = ::recv(fd_.get(), all.data() + done, size - done, 0);
      if (n < 0) fail("recv");
    }
    all.resize(done);
    return all;
  }

  struct rest {
    std::string text;
    int error;  ///< 0 at a proper end
  };
  /// Everything up to the end.
  rest receive_rest() {
    rest r{};
    std::array<char, 65536> buffer;
    ssize_t n = 0;
    while ((n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0)) > 0)
      r.text.append(buffer.data(), static_cast<std::size_t>(n));
    r.error = n < 0 ? errno : 0;
    return r;
  }

  /// Whether there is neither a byte to read, nor an end, nor an error.
  bool is_silent() {
    char byte = 0;
    return ::recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
  }

  void end() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.close(); }
  void reset() {
    const linger hard{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    fd_.close();
  }
  [[nodiscard]] int get() const { return fd_.get(); }

 private:
  descriptor fd_;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}

/// Bounds what the kernel buffers, so that backpressure is seen after kilobytes.
void bound_buffers(int fd) {
  const int size = 64 * 1024;
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

class plain_server {
 public:
  plain_server() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    bound_buffers(fd_.get());
    sockaddr_in a = loopback(0);
    socklen_t size = sizeof a;
    if (::bind(fd_.get(), reinterpret_cast<sockaddr*>(&a), size) != 0) fail("bind");
    if (::listen(fd_.get(), SOMAXCONN) != 0) fail("listen");
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&a), &size);
    port_ = ntohs(a.sin_port);
    const timeval limit{.tv_sec = patience.count(), .tv_usec = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] plain_socket accept() const {
    descriptor fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) fail("accept");
    return plain_socket(std::move(fd));
  }
  /// Whether nobody waits to be accepted.
  [[nodiscard]] bool is_silent() const {
    std::array<pollfd, 1> wanted{pollfd{fd_.get(), POLLIN, 0}};
    return ::poll(wanted.data(), wanted.size(), 0) == 0;
  }
  void close() { fd_.close(); }

 private:
  descriptor fd_;
  std::uint16_t port_ = 0;
};

/// Nothing if the connection is refused.
std::optional<plain_socket> try_connect(std::uint16_t port) {
  descriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  bound_buffers(fd.get());
  sockaddr_in a = loopback(port);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) == 0)
    return plain_socket(std::move(fd));
  if (errno != ECONNREFUSED) fail("connect");
  return std::nullopt;
}

plain_socket connect_to(std::uint16_t port) {
  auto s = try_connect(port);
  if (!s) fail("connect");
  return std::move(*s);
}

/// A connection through a proxy.
struct through {
  through(const fault_proxy& proxy, const plain_server& listener)
      : client(connect_to(proxy.port())), server(listener.accept()) {}
  plain_socket& source(direction d) { return d == there ? client : server; }
  plain_socket& sink(direction d) { return d == there ? server : client; }

  plain_socket client;
  plain_socket server;
};

/// Gives the proxy's thread so many turns that it must have seen all that the kernel has for it:
/// each call waits for a turn, and between two turns it asks the kernel.
void let_it_look(fault_proxy& proxy) {
  constexpr int turns = 50;  // of which it needs two for a read and a write
  for (int i = 0; i < turns; ++i) proxy.slice(0);
}

bool wait_for_strikes(const fault_proxy& proxy, std::uint64_t n) {
  return proxy.wait_until([n](const proxy_counts& seen) { return seen.strikes >= n; });
}
bool wait_for_end(const fault_proxy& proxy) {
  return proxy.wait_until([](const proxy_counts& seen) { return seen.open == 0; });
}

/// Bytes of which each says where it stands.
std::string numbered(std::size_t size) {
  parley::test::random numbers(size);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(numbers.next());
  return text;
}

/// Sends from a thread of its own, as far as the other side takes it, and then ends.
class sending {
 public:
  sending(plain_socket& s, std::string_view text)
      : thread_([&s, text] {
          s.send(text);
          s.end();
        }) {}
  sending(const sending&) = delete;
  sending& operator=(const sending&) = delete;
  ~sending() { thread_.join(); }

 private:
  std::thread thread_;
};

}  // namespace

// --- no fault ------------------------------------------------------------------------------------

TEST_CASE("a proxy passes bytes both ways, and counts them and its connections") {
  const plain_server server;
  const fault_proxy proxy(server.port());
  {
    through one(proxy, server);
    through two(proxy, server);
    one.client.send("hello");
    CHECK(one.server.receive(5) == "hello");
    two.server.send("and back");
    CHECK(two.client.receive(8) == "and back");
    CHECK(proxy.connections() == 2);
    CHECK(proxy.open() == 2);
  }
  CHECK(wait_for_end(proxy));
  CHECK(proxy.connections() == 2);
  CHECK(proxy.bytes(there) == 5);
  CHECK(proxy.bytes(back) == 8);
  CHECK(proxy.strikes() == 0);
}

TEST_CASE("a proxy passes megabytes both ways at once, byte for byte, and then both ends") {
  const plain_server server;
  const fault_proxy proxy(server.port());
  through c(proxy, server);
  const auto text = numbered(8'000'000);
  plain_socket::rest at_client;
  {
    const sending to_server(c.client, text);
    const sending to_client(c.server, text);
    std::thread reader([&] { at_client = c.client.receive_rest(); });
    CHECK((c.server.receive_rest().text == text));
    reader.join();
  }
  CHECK((at_client.text == text));
  CHECK(at_client.error == 0);
  CHECK(wait_for_end(proxy));
}

TEST_CASE("the end of one direction passes, and the other direction goes on") {
  const plain_server server;
  const fault_proxy proxy(server.port());
  through c(proxy, server);
  const auto way = GENERATE(there, back);
  c.source(way).send("last words");
  c.source(way).end();
  CHECK(c.sink(way).receive_rest().text == "last words");
  c.sink(way).send("an answer");
  CHECK(c.source(way).receive(9) == "an answer");
  CHECK(proxy.open() == 1);
  c.sink(way).close();
  CHECK(c.source(way).receive_rest().error == 0);
  CHECK(wait_for_end(proxy));
}

TEST_CASE("a reset by one side resets the other") {
  const plain_server server;
  const fault_proxy proxy(server.port());
  through c(proxy, server);
  const auto way = GENERATE(there, back);
  c.source(way).reset();
  CHECK(c.sink(way).receive_rest().error == ECONNRESET);
  CHECK(wait_for_end(proxy));
  CHECK(proxy.strikes() == 0);
}

TEST_CASE("last words pass although the one who said them takes no more") {
  const plain_server server;
  fault_proxy proxy(server.port());
  through c(proxy, server);
  c.client.send("not read by the server");
  REQUIRE(proxy.wait_until([](const auto& seen) { return seen.bytes(there) == 22; }));
  proxy.stall_all();
  c.client.send("nor this");
  c.server.send("busy");
  let_it_look(proxy);
  c.server.close();  // with bytes unread, so the kernel resets
  // What the proxy tries first is to write to the server, and that fails.
  proxy.release();
  const auto said = c.client.receive_rest();
  CHECK(said.text == "busy");
  CHECK(said.error == ECONNRESET);
}

TEST_CASE("a caller whose target does not listen is reset") {
  plain_server server;
  const fault_proxy proxy(server.port());
  server.close();
  auto client = connect_to(proxy.port());
  CHECK(client.receive_rest().error == ECONNRESET);
  CHECK(wait_for_end(proxy));
  CHECK(proxy.connections() == 1);
}

TEST_CASE("who does not read makes the other side wait") {
  const plain_server server;
  fault_proxy proxy(server.port());
  through c(proxy, server);
  const auto way = GENERATE(there, back);
  // The proxy's buffer and those of four sockets, which the kernel doubles and may overdraw.
  const std::size_t held_at_most = (1 + 4 * 4) * proxy_detail::buffer_size;
  const std::string text = numbered(10 * held_at_most);
  std::size_t sent = 0;
  for (int idle_turns = 0; idle_turns < 20 && sent < text.size(); ++idle_turns) {
    const auto n = c.source(way).send_some(std::string_view(text).substr(sent));
    sent += n;
    if (n > 0) idle_turns = 0;
    let_it_look(proxy);
  }
  CHECK(sent <= held_at_most);
  CHECK(sent >= proxy_detail::buffer_size);
  // And nothing of it was lost.
  c.source(way).end();
  CHECK((c.sink(way).receive_rest().text == std::string_view(text).substr(0, sent)));
}

// --- faults --------------------------------------------------------------------------------------

TEST_CASE("a strike closes all open connections in good order") {
  const plain_server server;
  fault_proxy proxy(server.port());
  through one(proxy, server);
  through two(proxy, server);
  one.client.send("delivered");
  CHECK(one.server.receive(9) == "delivered");
  proxy.strike(fault::close);
  CHECK(proxy.strikes() == 2);
  CHECK(proxy.open() == 0);
  for (plain_socket* s : {&one.client, &one.server, &two.client, &two.server}) {
    const auto rest = s->receive_rest();
    CHECK(rest.text.empty());
    CHECK(rest.error == 0);
  }
  through three(proxy, server);
  three.server.send("untouched");
  CHECK(three.client.receive(9) == "untouched");
}

TEST_CASE(
    "a close delivers what was written before it, though its reader is late and was talking") {
  const plain_server server;
  fault_proxy proxy(server.port());
  through c(proxy, server);
  const auto way = GENERATE(there, back);
  const auto text = numbered(4 * proxy_detail::buffer_size);
  CHECK(c.source(way).send_some(text) > 0);
  let_it_look(proxy);
  proxy.stall_all();
  // More than the proxy reads ahead: bytes that the kernel holds unread at the close.
  const std::string talk(proxy_detail::buffer_size * 5 / 4, 'x');
  CHECK(c.sink(way).send(talk));
  let_it_look(proxy);
  proxy.strike(fault::close);
  const auto arrived = c.sink(way).receive_rest();
  CHECK((arrived.text == text.substr(0, proxy.bytes(way))));
  CHECK(arrived.error == 0);
}

TEST_CASE("a strike resets all open connections") {
  const plain_server server;
  fault_proxy proxy(server.port());
  through one(proxy, server);
  through two(proxy, server);
  one.client.send("delivered");
  CHECK(one.server.receive(9) == "delivered");
  proxy.strike(fault::reset);
  CHECK(proxy.strikes() == 2);
  CHECK(proxy.open() == 0);
  for (plain_socket* s : {&one.client, &one.server, &two.client, &two.server})
    CHECK(s->receive_rest().error == ECONNRESET);
}

TEST_CASE("a stalled connection holds bytes both ways and gives them at release") {
  const plain_server server;
  fault_proxy proxy(server.port());
  through c(proxy, server);
  proxy.strike(fault::stall);
  CHECK(proxy.strikes() == 1);
  CHECK(proxy.open() == 1);
  c.client.send("there");
  c.server.send("back");
  through later(proxy, server);
  later.client.send("untouched");
  CHECK(later.server.receive(9) == "untouched");
  let_it_look(proxy);
  CHECK(c.server.is_silent());
  CHECK(c.client.is_silent());
  CHECK(proxy.bytes(back) == 0);
  proxy.release();
  CHECK(c.server.receive(5) == "there");
  CHECK(c.client.receive(4) == "back");
}

TEST_CASE("a hang-up ends a stalled connection, whatever it has not read") {
  const plain_server server;
  fault_proxy proxy(server.port());
  through c(proxy, server);
  const auto way = GENERATE(there, back);
  const bool hard = GENERATE(false, true);
  proxy.strike(fault::stall);
  // More than the proxy's own buffer, so that the end stands behind unread bytes; and not more than
  // the kernel takes besides, so that the end comes as far.
  const std::string unread(proxy_detail::buffer_size * 5 / 4, 'x');
  std::string_view left = unread;
  while (!left.empty()) {
    left.remove_prefix(c.source(way).send_some(left));
    let_it_look(proxy);
  }
  CHECK(proxy.open() == 1);
  if (hard)
    c.source(way).reset();
  else
    c.source(way).close();
  CHECK(c.sink(way).receive_rest().text.empty());
  CHECK(wait_for_end(proxy));
  CHECK(proxy.bytes(way) == 0);
}

TEST_CASE("a direction that ended before the stall is no hang-up") {
  const plain_server server;
  fault_proxy proxy(server.port());
  through c(proxy, server);
  c.client.end();
  CHECK(c.server.receive_rest().error == 0);
  proxy.strike(fault::stall);
  c.server.send("held back");
  let_it_look(proxy);
  CHECK(c.client.is_silent());
  CHECK(proxy.open() == 1);
  proxy.release();
  CHECK(c.client.receive(9) == "held back");
}

TEST_CASE("a half-closed connection goes on in the other direction") {
  const plain_server server;
  fault_proxy proxy(server.port());
  through c(proxy, server);
  const auto way = GENERATE(there, back);
  const auto other = way == there ? back : there;
  proxy.strike(fault::half_close, way);
  CHECK(c.sink(way).receive_rest().error == 0);
  c.source(way).send("into the void");
  c.source(other).send("goes on");
  CHECK(c.sink(other).receive(7) == "goes on");
  CHECK(proxy.open() == 1);
  CHECK(proxy.bytes(way) == 0);
  c.source(way).end();
  c.source(other).end();
  CHECK(c.sink(other).receive_rest().error == 0);
  CHECK(wait_for_end(proxy));
}

// --- planned strikes -----------------------------------------------------------------------------

TEST_CASE("a planned strike comes at its offset exactly") {
  const plain_server server;
  fault_proxy proxy(server.port());
  const auto what = GENERATE(fault::close, fault::reset, fault::stall, fault::half_close);
  const auto way = GENERATE(there, back);
  // The edges of the proxy's buffer, and more than the kernel takes in one go.
  const std::uint64_t offset = GENERATE(0U, 1U, 1000U, 65535U, 65536U, 65537U, 1'000'000U);
  CAPTURE(what, way, offset);
  const auto text = numbered(2'000'000);
  const auto expected = std::string_view(text).substr(0, offset);
  proxy.strike_at(what, way, offset);
  through c(proxy, server);
  const sending all(c.source(way), text);
  if (what == fault::stall) {
    CHECK((c.sink(way).receive(offset) == expected));
    REQUIRE(wait_for_strikes(proxy, 1));
    let_it_look(proxy);
    CHECK(c.sink(way).is_silent());
    CHECK(proxy.bytes(way) == offset);
    proxy.release();
    CHECK((c.sink(way).receive_rest().text == std::string_view(text).substr(offset)));
    return;
  }
  const auto arrived = c.sink(way).receive_rest();
  CHECK((arrived.text == expected));
  CHECK(arrived.error == (what == fault::reset ? ECONNRESET : 0));
  REQUIRE(wait_for_strikes(proxy, 1));
  CHECK(proxy.bytes(way) == offset);
  CHECK(proxy.open() == (what == fault::half_close ? 1 : 0));
}

TEST_CASE("all that passed before a planned reset arrives, however late its reader is") {
  const plain_server server;
  fault_proxy proxy(server.port());
  const auto way = GENERATE(there, back);
  // A little or a lot more than the kernel takes for the reader: the rest waits on the proxy's
  // side.
  const std::size_t offset =
      GENERATE(5U, 6U, 7U, 8U, 9U, 10U, 11U, 12U) * proxy_detail::buffer_size / 4;
  const auto text = numbered(2 * offset);
  proxy.strike_at(fault::reset, way, offset);
  through c(proxy, server);
  const sending all(c.source(way), text);
  REQUIRE(proxy.wait_until(
      [=](const auto& seen) { return seen.bytes(way) >= proxy_detail::buffer_size; }));
  let_it_look(proxy);
  const auto arrived = c.sink(way).receive_rest();
  CHECK((arrived.text == std::string_view(text).substr(0, offset)));
  CHECK(arrived.error == ECONNRESET);
}

TEST_CASE("strikes planned one after the other take the next connections in that order") {
  const plain_server server;
  fault_proxy proxy(server.port());
  proxy.strike_at(fault::reset, there, 3);
  proxy.strike_at(fault::close, there, 1);
  for (const std::size_t offset : {3U, 1U}) {
    through c(proxy, server);
    c.client.send("abcdef");
    CHECK(c.server.receive_rest().text.size() == offset);
  }
  through untouched(proxy, server);
  untouched.client.send("abcdef");
  CHECK(untouched.server.receive(6) == "abcdef");
  CHECK(proxy.strikes() == 2);
}

TEST_CASE("a strike planned for each connection takes each, until it is called off") {
  const plain_server server;
  fault_proxy proxy(server.port());
  proxy.strike_at(fault::close, back, 2, target_of::each);
  for (std::uint64_t struck = 1; struck <= 3; ++struck) {
    through c(proxy, server);
    c.server.send("abcdef");
    CHECK(c.client.receive_rest().text == "ab");
    CHECK(wait_for_strikes(proxy, struck));
  }
  through spared(proxy, server);
  proxy.call_off();
  through later(proxy, server);
  for (through* c : {&spared, &later}) {
    c->server.send("abcdef");
    CHECK(c->client.receive(6) == "abcdef");
  }
  CHECK(proxy.strikes() == 3);
}

TEST_CASE("random strikes stay in their range, go both ways, and follow from the seed") {
  constexpr std::uint64_t least = 10;
  constexpr std::uint64_t most = 1000;
  const auto where_struck = [](std::uint64_t seed) {
    const plain_server server;
    fault_proxy proxy(server.port());
    proxy.strike_every(fault::close, least, most, seed);
    std::vector<std::pair<std::uint64_t, bool>> all;
    for (std::uint64_t i = 1; i <= 10; ++i) {
      const auto there_before = proxy.bytes(there);
      const auto back_before = proxy.bytes(back);
      through c(proxy, server);
      // One way, and if all of that passes, the other.
      const std::string more_than_most(most + 1, 'x');
      c.client.send(more_than_most);
      const auto arrived = [&](const auto& seen) {
        return seen.strikes == i || seen.bytes(there) == there_before + more_than_most.size();
      };
      REQUIRE(proxy.wait_until(arrived));
      c.server.send(more_than_most);
      REQUIRE(wait_for_strikes(proxy, i));
      const auto passed_back = proxy.bytes(back) - back_before;
      const bool was_back = passed_back > 0;  // `least` is not 0
      all.emplace_back(was_back ? passed_back : proxy.bytes(there) - there_before, was_back);
    }
    CHECK(proxy.strikes() == 10);
    return all;
  };
  const auto struck = where_struck(1);
  for (const auto& [offset, was_back] : struck) {
    CHECK(offset >= least);
    CHECK(offset <= most);
  }
  const auto is_back = [](const auto& s) { return s.second; };
  CHECK(std::any_of(struck.begin(), struck.end(), is_back));
  CHECK_FALSE(std::all_of(struck.begin(), struck.end(), is_back));
  CHECK(where_struck(1) == struck);
  CHECK_FALSE(where_struck(2) == struck);
}

// --- the link ------------------------------------------------------------------------------------

TEST_CASE("slices are no larger than asked for, and whole again when that is lifted") {
  const plain_server server;
  fault_proxy proxy(server.port());
  through c(proxy, server);
  const auto way = GENERATE(there, back);
  const auto text = numbered(1000);
  const auto writes_for_text = [&] {
    const auto writes = proxy.writes(way);
    const auto bytes = proxy.bytes(way);
    c.source(way).send(text);
    CHECK((c.sink(way).receive(text.size()) == text));
    // Counted after it is written.
    REQUIRE(proxy.wait_until([&](const auto& n) { return n.bytes(way) == bytes + text.size(); }));
    return proxy.writes(way) - writes;
  };
  proxy.slice(1);
  CHECK(writes_for_text() == 1000);
  proxy.slice(7);
  CHECK(writes_for_text() >= 143);  // 1000 / 7, rounded up
  proxy.slice(0);
  CHECK(writes_for_text() < 143);
}

TEST_CASE("a throttled link passes no more than its rate in the time that it takes") {
  using seconds = std::chrono::duration<double>;
  const plain_server server;
  fault_proxy proxy(server.port());
  through c(proxy, server);
  const auto way = GENERATE(there, back);
  constexpr double rate = 100'000;
  constexpr double allowance = rate / 64 + 1;  // passes at once
  proxy.throttle(static_cast<std::uint64_t>(rate));
  const auto text = numbered(20'000);
  const auto begin = std::chrono::steady_clock::now();
  c.source(way).send(text);
  for (std::size_t done = 0; done < text.size(); done += 1000) {
    CHECK((c.sink(way).receive(1000) == text.substr(done, 1000)));
    const seconds taken = std::chrono::steady_clock::now() - begin;
    // No bound on the time: a slow machine makes the right side larger.
    CHECK(static_cast<double>(done + 1000) <= rate * taken.count() + allowance);
  }
  proxy.throttle(10);  // hours for what follows, were it not lifted
  const auto more = numbered(100'000);
  c.source(way).send(more);
  CHECK(c.sink(way).receive(1) == more.substr(0, 1));
  proxy.throttle(0);
  CHECK((c.sink(way).receive(more.size() - 1) == more.substr(1)));
}

TEST_CASE("a link that is down holds everything back, even ends and new connections") {
  const plain_server server;
  fault_proxy proxy(server.port());
  through c(proxy, server);
  through gone(proxy, server);
  through silently_gone(proxy, server);
  let_it_look(proxy);  // until its reads wait
  proxy.stall_all();
  c.client.send("there");
  c.server.send("back");
  gone.client.send("last words");
  gone.client.end();
  silently_gone.client.end();
  auto caller = connect_to(proxy.port());
  caller.send("hello");
  REQUIRE(proxy.wait_until([](const auto& seen) { return seen.connections == 4; }));
  let_it_look(proxy);
  CHECK(c.server.is_silent());
  CHECK(c.client.is_silent());
  CHECK(gone.server.is_silent());
  CHECK(silently_gone.server.is_silent());
  CHECK(server.is_silent());
  CHECK(caller.is_silent());
  CHECK(proxy.bytes(there) + proxy.bytes(back) == 0);
  CHECK(proxy.strikes() == 0);
  proxy.release();
  CHECK(c.server.receive(5) == "there");
  CHECK(c.client.receive(4) == "back");
  CHECK(gone.server.receive_rest().text == "last words");
  CHECK(silently_gone.server.receive_rest().error == 0);
  CHECK(server.accept().receive(5) == "hello");
}

TEST_CASE("a proxy that refuses keeps what there is, and listens on the same port again") {
  const plain_server server;
  fault_proxy proxy(server.port());
  const auto port = proxy.port();
  through c(proxy, server);
  for (int i = 0; i < 3; ++i) {
    proxy.refuse();
    proxy.refuse();  // which changes nothing
    CHECK_FALSE(try_connect(port));
    c.client.send("goes on");
    CHECK(c.server.receive(7) == "goes on");
    proxy.allow();
    proxy.allow();
    CHECK(proxy.port() == port);
    through again(proxy, server);
    again.client.send("hello");
    CHECK(again.server.receive(5) == "hello");
  }
}

TEST_CASE("programs that are started meanwhile keep nothing open that the proxy closes") {
  const plain_server server;
  fault_proxy proxy(server.port());
  through c(proxy, server);
  c.client.send("hello");
  CHECK(c.server.receive(5) == "hello");
  process bystander({"cat"});  // ends with the test
  bystander.write("here\n");
  bystander.read_until("here\n");
  proxy.refuse();
  CHECK_FALSE(try_connect(proxy.port()));
  proxy.strike(fault::reset);
  CHECK(c.client.receive_rest().error == ECONNRESET);
  CHECK(c.server.receive_rest().error == ECONNRESET);
}

TEST_CASE("a proxy that stops closes everything, in whatever state it is") {
  const plain_server server;
  fault_proxy proxy(server.port());
  enum class state : std::uint8_t { idle, stalled, down, blocked, throttled, refusing };
  const auto s = GENERATE(state::idle, state::stalled, state::down, state::blocked,
                          state::throttled, state::refusing);
  through c(proxy, server);
  if (s == state::stalled) proxy.strike(fault::stall);
  if (s == state::down) proxy.stall_all();
  if (s == state::throttled) proxy.throttle(1);
  if (s == state::refusing) proxy.refuse();
  if (s == state::blocked) c.client.send_some(numbered(10'000'000));
  c.server.send("two bytes and more");
  let_it_look(proxy);
  const auto struck = proxy.strikes();
  proxy.stop();
  CHECK(proxy.open() == 0);
  CHECK(proxy.connections() == 1);
  CHECK_FALSE(try_connect(proxy.port()));
  c.client.receive_rest();     // comes to an end, of either kind
  proxy.strike(fault::close);  // and calls that come late do nothing
  proxy.release();
  proxy.allow();
  proxy.stop();
  CHECK(proxy.strikes() == struck);
}

TEST_CASE("connections under traffic can be struck, stalled and sliced from another thread") {
  constexpr std::uint64_t calls = 20;
  const plain_server server;
  fault_proxy proxy(server.port());
  const auto text = numbered(1'000'000);
  std::thread echo([&] {
    std::string heard;
    while (heard != "no more") {
      auto caller = server.accept();
      heard = caller.receive_rest().text;
      caller.send(heard);
    }
  });
  std::thread caller([&] {
    for (std::uint64_t i = 0; i < calls; ++i) {
      auto s = connect_to(proxy.port());
      s.send(text);
      s.end();
      s.receive_rest();
    }
    connect_to(server.port()).send("no more");  // a struck call may never have come to the echo
  });
  const std::array faults{fault::reset, fault::close, fault::stall, fault::half_close};
  parley::test::random numbers(1);
  const auto all_done = [](const auto& seen) {
    return seen.connections == calls && seen.open == 0;
  };
  while (!proxy.wait_until(all_done, std::chrono::seconds(0))) {
    proxy.slice(numbers.below(100'000));
    proxy.stall_all();
    proxy.release();
    if (numbers.once_in(50)) proxy.strike(faults.at(numbers.below(faults.size())));
    proxy.release();
  }
  caller.join();
  echo.join();
  CHECK(proxy.connections() == calls);
}

// --- the real programs ---------------------------------------------------------------------------

TEST_CASE("a thousand lines each way arrive whole through a link that passes a byte at a time") {
  constexpr std::size_t lines = 1000;
  constexpr std::size_t longest_line = 100;
  const scratch folder;
  const auto to_server = random_lines(1, lines, longest_line);
  const auto to_client = random_lines(2, lines, longest_line);
  write_file(folder / "to-server", to_server);
  write_file(folder / "to-client", to_client);
  process server(server_command({"--once"}), {folder / "to-client", folder / "at-server"});
  fault_proxy proxy(static_cast<std::uint16_t>(std::stoul(port_of(server))));
  proxy.slice(1);
  process client(client_command(std::to_string(proxy.port())),
                 {folder / "to-server", folder / "at-client"});
  CHECK(client.finish() == 0);
  CHECK(server.finish() == 0);
  CHECK((read_file(folder / "at-server") == to_server));
  CHECK((read_file(folder / "at-client") == to_client));
  CHECK(proxy.connections() == 1);
  for (const auto way : {there, back}) {
    CHECK(proxy.bytes(way) >= to_server.size());
    CHECK(proxy.writes(way) == proxy.bytes(way));
  }
}

}  // namespace fault_proxy_test
