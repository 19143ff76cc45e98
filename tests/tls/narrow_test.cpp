// A TLS conversation over sockets that are full most of the time.
#include <parley/detail/tls_stream.hpp>

#include <asio/socket_base.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include <parley/tls.hpp>

#include "support/run.hpp"
#include "tls/tls_host.hpp"

namespace narrow_test {

namespace {

constexpr int messages = 100;
constexpr std::size_t longest = 60'000;  // some four records

/// Connects by TCP, with as little room on the way as the system gives.
struct narrow_connector {
  parley::tcp_connector to;

  asio::awaitable<parley::any_socket> operator()() const { return connect(to); }

 private:
  static asio::awaitable<parley::any_socket> connect(parley::tcp_connector to) {
    auto s = co_await to();
    s.set_option(asio::socket_base::send_buffer_size(8192));
    s.set_option(asio::socket_base::receive_buffer_size(32768));
    co_return s;
  }
};

/// The same for the same seed.
std::string next_body(std::mt19937& random) {
  std::string body(random() % longest, '\0');
  for (char& c : body) c = static_cast<char>(random());
  return body;
}

asio::awaitable<void> pour(parley::tls_peer& to, unsigned seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < messages; ++i) {
    const auto body = next_body(random);
    co_await to.send(body);
    to.ping();  // so that there is something to say ahead of the next batch
  }
  to.finish();
}

asio::awaitable<int> drink(parley::tls_peer& from, unsigned seed) {
  std::mt19937 random(seed);
  int right = 0;
  while (const auto m = co_await from.receive())
    if (m->body == next_body(random)) ++right;
  co_return right;
}

}  // namespace

TEST_CASE("what a full socket does not take goes out later, whole and in order, among pings") {
  parley::test::tls_host h;
  auto accepted = parley::test::launch(h.context, h.listener.accept());
  const narrow_connector base{{"127.0.0.1", std::to_string(h.at().port())}};
  parley::tls_connector<narrow_connector> to(base, parley::test::new_credentials(),
                                             parley::only(h.me->id()));
  auto mine = parley::test::run(h.context, parley::dial(to));
  parley::test::run_until(h.context, [&] { return accepted.done(); });
  auto theirs = accepted.get();

  auto said = parley::test::launch(h.context, pour(mine, 1));
  auto answered = parley::test::launch(h.context, pour(theirs, 2));
  auto heard = parley::test::launch(h.context, drink(theirs, 1));
  auto understood = parley::test::launch(h.context, drink(mine, 2));
  parley::test::run_until(h.context, [&] { return heard.done() && understood.done(); });
  CHECK(heard.get() == messages);
  CHECK(understood.get() == messages);
  CHECK(mine.statistics().connections == 1);
}

}  // namespace narrow_test
