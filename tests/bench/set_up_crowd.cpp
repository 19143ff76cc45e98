#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include <asio/read.hpp>
#include <asio/write.hpp>

#include "crowd.hpp"
#include "crowd_loop.hpp"
#include "crowd_pair.hpp"

namespace bench {
namespace {

using asio::ip::tcp;
using std::chrono::steady_clock;

constexpr std::size_t greeting_size = 16;  // bytes that bare sockets exchange in a greeting's place

/// Calls that are begun by `callers_at_once`, and how many of them a second takes.
template <typename Piece>
asio::awaitable<double> rate_of(std::size_t count, Piece piece) {
  parallel work(co_await asio::this_coro::executor, count, piece);
  const auto begun = steady_clock::now();
  co_await work.run(callers_at_once);
  const std::chrono::duration<double> elapsed = steady_clock::now() - begun;
  co_return static_cast<double>(count) / elapsed.count();
}

// --- parley ------------------------------------------------------------------------------------

void serve_parley(const std::string& host, const announce& where) {
  asio::io_context io(1);
  parley::listener listener(io.get_executor());
  std::deque<parley::peer> peers;
  listener.listen(host, 0);
  where(place::text_of(listener.endpoints().front()));
  start(io.get_executor(), echo_to_all(listener, peers));
  io.run();
}

/// A conversation whose connection can be cut.
struct cuttable {
  explicit cuttable(parley::tcp_connector t) : to(std::move(t)) {}

  /// What connects, and remembers the socket.
  asio::awaitable<parley::any_socket> connect() {
    auto s = co_await to();
    last = s.native_handle();
    co_return s;
  }
  void cut() const { ::shutdown(last, SHUT_RDWR); }

  parley::tcp_connector to;
  int last = -1;
  parley::peer side;
};

/// Begins conversations, and then lets each lose its connection and get another.
class parley_client {
 public:
  parley_client(std::size_t size, const std::string& address)
      : size_(size), to_(place::of(address)) {}

  void run(const report& tell) {
    start(io_.get_executor(), measure(tell));
    io_.run();
  }

 private:
  asio::awaitable<void> measure(report tell) {
    const auto begin_one = [this](std::size_t) { return begin(); };
    const double begun = co_await rate_of(size_, begin_one);
    const auto resume_one = [this](std::size_t i) { return resume(all_[i]); };
    const double resumed = co_await rate_of(size_, resume_one);
    const numbers rates{begun, resumed};
    tell(rates);
    io_.stop();
  }

  asio::awaitable<void> begin() {
    parley::tcp_connector to{to_.host, to_.port};
    cuttable& c = all_.emplace_back(std::move(to));
    const auto connect = [&c] { return c.connect(); };
    c.side = co_await parley::dial(connect);
  }

  /// Cuts the connection, and has an answer over the next one.
  static asio::awaitable<void> resume(cuttable& c) {
    c.cut();
    co_await c.side.send("x");
    co_await c.side.receive();
  }

  std::size_t size_;
  place to_;
  asio::io_context io_{1};
  std::deque<cuttable> all_;
};

readings measure_parley(std::size_t size) {
  const std::string host = loopback_address();
  crowd_pair pair;
  pair.serve = [&](const announce& where, const report&) { serve_parley(host, where); };
  pair.call = [&](const std::string& address, const report& tell) {
    parley_client(size, address).run(tell);
  };
  const numbers found = run_pair(pair);
  return {{"set-up rate", "", "parley", "/s", found.at(0)},
          {"resume rate", "", "parley", "/s", found.at(1)}};
}

// --- bare sockets ------------------------------------------------------------------------------

/// Answers a greeting, and waits for the end.
asio::awaitable<void> answer(tcp::socket s) {
  std::array<char, greeting_size> greeting{};
  co_await asio::async_read(s, asio::buffer(greeting), asio::use_awaitable);
  co_await asio::async_write(s, asio::buffer(greeting), asio::use_awaitable);
  std::error_code end;
  co_await s.async_read_some(asio::buffer(greeting),
                             asio::redirect_error(asio::use_awaitable, end));
}

asio::awaitable<void> answer_all(tcp::acceptor& from) {
  for (;;) {
    auto s = co_await from.async_accept(asio::use_awaitable);
    start(from.get_executor(), answer(std::move(s)));
  }
}

void serve_bare(const std::string& host, const announce& where) {
  asio::io_context io(1);
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::make_address(host), 0));
  where(host + " " + std::to_string(acceptor.local_endpoint().port()));
  start(io.get_executor(), answer_all(acceptor));
  io.run();
}

asio::awaitable<void> greet(tcp::socket& s, const tcp::endpoint& to) {
  std::array<char, greeting_size> greeting{};
  co_await s.async_connect(to, asio::use_awaitable);
  co_await asio::async_write(s, asio::buffer(greeting), asio::use_awaitable);
  co_await asio::async_read(s, asio::buffer(greeting), asio::use_awaitable);
}

asio::awaitable<void> measure_greetings(std::deque<tcp::socket>& all, tcp::endpoint to,
                                        report tell) {
  const auto one = [&](std::size_t i) { return greet(all[i], to); };
  const double rate = co_await rate_of(all.size(), one);
  tell(numbers(1, rate));
}

void call_bare(std::size_t size, const std::string& address, const report& tell) {
  asio::io_context io(1);
  const auto to = place::of(address);
  const tcp::endpoint at(asio::ip::make_address(to.host),
                         static_cast<unsigned short>(std::stoi(to.port)));
  std::deque<tcp::socket> all;
  while (all.size() < size) all.emplace_back(io);
  start(io.get_executor(), measure_greetings(all, at, tell));
  io.run();
}

readings measure_bare(std::size_t size) {
  const std::string host = loopback_address();
  crowd_pair pair;
  pair.serve = [&](const announce& where, const report&) { serve_bare(host, where); };
  pair.call = [&](const std::string& address, const report& tell) {
    call_bare(size, address, tell);
  };
  return {{"set-up rate", "", "bare accept", "/s", run_pair(pair).at(0)}};
}

}  // namespace

crowd set_up_crowd(const settings& s) {
  const std::size_t size = affordable(s.quick ? 200 : 2'000);
  crowd c{"set-up and resume", {"set-up rate", "resume rate"}, {}};
  c.contenders.emplace_back([size] { return measure_parley(size); });
  c.contenders.emplace_back([size] { return measure_bare(size); });
  return c;
}

}  // namespace bench
