// What the README shows of TLS, compiled and run.
#include <parley/tls.hpp>

#include <asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>
#include <utility>

#include "support/run.hpp"
#include "tls/tls_host.hpp"

namespace readme_test {

namespace {

asio::awaitable<void> confide(std::shared_ptr<const parley::credentials> me, std::string host,
                              std::string port, parley::identity who) {
  const parley::tcp_connector there{host, port};
  parley::tls_connector to(there, me, parley::only(who));
  parley::tls_peer peer = co_await parley::dial(to);  // throws if somebody else answers
  co_await peer.send("between the two of us");
  co_await peer.close();
}

}  // namespace

TEST_CASE("the README's secure conversation takes place") {
  parley::test::tls_host host;
  const auto me = parley::test::new_credentials();
  auto accepted = parley::test::launch(host.context, host.listener.accept());
  auto confiding = parley::test::launch(
      host.context, confide(me, "127.0.0.1", std::to_string(host.at().port()), host.me->id()));
  parley::test::run_until(host.context, [&] { return accepted.done(); });
  auto peer = accepted.get();
  const auto heard = parley::test::run(host.context, peer.receive());
  REQUIRE(heard);
  CHECK(heard->body == "between the two of us");
  CHECK(peer.identity() == me->id());
  parley::test::run(host.context, peer.close());
  parley::test::run_until(host.context, [&] { return confiding.done(); });
  confiding.get();
}

}  // namespace readme_test
