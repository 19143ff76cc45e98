#include "all_contenders.hpp"

#include <chrono>
#include <memory>

#include "bare_blocking.hpp"
#include "bare_epoll.hpp"
#include "parley_contender.hpp"
#include "peers.hpp"

namespace bench {
namespace {

void add_bare(contenders& all) {
  all.push_back(std::make_unique<bare_blocking>(bare_blocking::writes::each));
  all.push_back(std::make_unique<bare_epoll>());
  all.push_back(std::make_unique<bare_blocking>(bare_blocking::writes::batched));
}

void add_parley(contenders& all) {
  all.push_back(make_parley({.name = "parley"}));
  all.push_back(make_parley({.name = "parley co_await", .calls = parley_use::style::awaits}));
  all.push_back(make_parley({.name = "parley unix", .over = parley_use::transport::unix_socket}));
  all.push_back(make_parley({.name = "parley spinning", .spin = std::chrono::microseconds(20)}));
}

void add_peers(contenders& all) {
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
  return absent;
}

}  // namespace bench
