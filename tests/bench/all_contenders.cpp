#include "all_contenders.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <parley/options.hpp>

#include "bare_blocking.hpp"
#include "bare_epoll.hpp"
#include "parley_contender.hpp"
#include "peers.hpp"

namespace bench {
namespace {

/// After `parley::run_spinning`, whose docs say why.
constexpr std::chrono::microseconds spin{20};

/// An ack goes out after 5 ms or a quarter of the window, a ping after a silence: here as rarely as
/// can be. In 5 ms a fast stream brings 50 MB, all of which the sender must hold, and to hold so
/// much costs more than the acks that it saves.
parley::options hardly_any_acks() {
  parley::options o;
  o.window = std::size_t{256} << 20U;
  o.outbox = o.window / 4;
  o.heartbeat = std::chrono::milliseconds(UINT16_MAX);
  return o;
}

/// As often as can be.
parley::options heartbeat_of_10_ms() {
  parley::options o;
  o.heartbeat = std::chrono::milliseconds(10);
  return o;
}

void add_bare(contenders& all) {
  all.push_back(std::make_unique<bare_blocking>(bare_blocking::writes::each));
  all.push_back(std::make_unique<bare_epoll>());
  all.push_back(std::make_unique<bare_epoll>(spin));
  all.push_back(std::make_unique<bare_blocking>(bare_blocking::writes::batched));
#ifdef PARLEY_BENCH_HAS_OPENSSL
  all.push_back(make_bare_tls());
#endif
}

void add_parley(contenders& all) {
  all.push_back(make_parley({.name = "parley"}));
  all.push_back(make_parley({.name = "parley co_await", .calls = parley_use::style::awaits}));
  all.push_back(make_parley({.name = "parley unix", .over = parley_use::transport::unix_socket}));
  all.push_back(make_parley({.name = "parley spinning", .spin = spin}));
  all.push_back(make_parley({.name = "parley, hardly any acks", .settings = hardly_any_acks()}));
  all.push_back(
      make_parley({.name = "parley, heartbeat of 10 ms", .settings = heartbeat_of_10_ms()}));
#ifdef PARLEY_BENCH_HAS_OPENSSL
  all.push_back(make_parley_tls());
#endif
}

void add_peers(contenders& all) {
  all.push_back(make_asio_callbacks());
  all.push_back(make_asio_write());
  all.push_back(make_asio_chat());
#ifdef PARLEY_BENCH_HAS_ZEROMQ
  all.push_back(make_zeromq());
#endif
#ifdef PARLEY_BENCH_HAS_NNG
  all.push_back(make_nng());
#endif
#ifdef PARLEY_BENCH_HAS_BEAST
  all.push_back(make_beast());
#endif
}

}  // namespace

contenders all_contenders() {
  contenders all;
  add_bare(all);
  add_parley(all);
  add_peers(all);
  return all;
}

std::vector<std::string> absent_contenders() {
  std::vector<std::string> absent;
#ifndef PARLEY_BENCH_HAS_ZEROMQ
  absent.emplace_back("ZeroMQ: its headers or library were not found");
#endif
#ifndef PARLEY_BENCH_HAS_NNG
  absent.emplace_back("nng: its headers or library were not found");
#endif
#ifndef PARLEY_BENCH_HAS_BEAST
  absent.emplace_back("Boost.Beast: its headers were not found");
#endif
#ifndef PARLEY_BENCH_HAS_OPENSSL
  absent.emplace_back("TLS: OpenSSL 3.0 or newer was not found");
#endif
  return absent;
}

}  // namespace bench
