#include <cstddef>
#include <string>

#include "crowd.hpp"
#include "crowd_loop.hpp"
#include "crowd_pair.hpp"
#include "idle_pair.hpp"

namespace bench {
namespace {

struct plain_ends {
  using listener = parley::listener;
  using peer = parley::peer;

  static listener listen(const asio::any_io_executor& e, const parley::options& o) {
    return listener(e, o);
  }
  static asio::awaitable<peer> dial(const place& to, const parley::options& o) {
    return parley::dial(to.host, to.port, o);
  }
};

readings measure_idle(std::size_t size, stance s) {
  const numbers found = run_idle_pair<plain_ends>(size, s);
  const std::string count = with_commas(size);
  if (s == stance::receiving)
    return {{"idle conversation", count, "parley receiving", "KiB", found.at(0)}};
  return {{"idle conversation", count, "parley", "KiB", found.at(0)},
          {"idle conversation, set-up", count, "parley", "µs", found.at(1)},
          {"echo beside idle conversations", "alone", "parley", "µs", found.at(2)},
          {"echo beside idle conversations", count, "parley", "µs", found.at(3)}};
}

}  // namespace

crowd idle_crowd(const settings& s) {
  const std::size_t size = affordable(s.quick ? 1'000 : 10'000);
  crowd c{"idle conversations",
          {"idle conversation", "idle conversation, set-up", "echo beside idle conversations"},
          {}};
  c.contenders.emplace_back([size] { return measure_idle(size, stance::held); });
  c.contenders.emplace_back([size] { return measure_idle(size, stance::receiving); });
#ifdef PARLEY_BENCH_HAS_ZEROMQ
  // A PAIR takes one peer, so each conversation takes a socket with a port and three descriptors.
  const std::size_t fewer = affordable(s.quick ? 100 : 1'000, 4);
  c.contenders.emplace_back([fewer] { return measure_idle_zeromq(fewer); });
#endif
#ifdef PARLEY_BENCH_HAS_NNG
  c.contenders.emplace_back([size] { return measure_idle_nng(size); });
#endif
  return c;
}

}  // namespace bench
