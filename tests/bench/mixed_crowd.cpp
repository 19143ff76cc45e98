#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "crowd.hpp"
#include "crowd_loop.hpp"
#include "crowd_pair.hpp"
#include "statistics.hpp"

namespace bench {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t batch = std::size_t{256} << 10;  // that a connection hands on at once

/// For long messages, with room for the next one while one is on its way.
parley::options roomy() {
  parley::options o;
  o.max_message = parley::largest_message;
  o.window = std::size_t{64} << 20;
  o.outbox = std::size_t{64} << 20;
  return o;
}

double microseconds(steady_clock::duration d) {
  return std::chrono::duration<double, std::micro>(d).count();
}

/// Where the messages come from, long and short in turn, one pair of them after the other. Both
/// ends read the same clock, which is the whole machine's.
class mixed_client {
 public:
  mixed_client(std::size_t pairs, const std::string& address)
      : pairs_(pairs), to_(place::of(address)) {}

  void run(const report& tell) {
    start(io_.get_executor(), measure(tell));
    io_.run();
  }

 private:
  asio::awaitable<void> measure(report tell) {
    auto peer = co_await parley::dial(to_.host, to_.port, roomy());
    std::vector<double> round_trips;
    asio::steady_timer pause(io_);
    start(io_.get_executor(), ping_on(peer, pause, round_trips));
    numbers all;
    for (std::size_t i = 0; i < pairs_; ++i) {
      const double sent = now();
      co_await peer.send(long_);
      co_await peer.send("s");
      // What the server answers: when it had each.
      const double had_long = co_await time_from(peer);
      const double had_short = co_await time_from(peer);
      all.push_back(had_long - sent);
      all.push_back(had_short - sent);
    }
    done_ = true;
    pause.cancel();
    all.insert(all.end(), round_trips.begin(), round_trips.end());
    tell(all);
    io_.stop();
  }

  static asio::awaitable<double> time_from(parley::peer& p) {
    const auto m = co_await p.receive();
    co_return std::stod(std::string(m->body));
  }

  static double now() { return microseconds(steady_clock::now().time_since_epoch()); }

  /// Pings every millisecond or so.
  asio::awaitable<void> ping_on(parley::peer& p, asio::steady_timer& pause,
                                std::vector<double>& times) const {
    while (!done_) {
      const auto before = p.statistics().round_trip_last;
      p.ping();
      while (!done_ && p.statistics().round_trip_last == before) {
        pause.expires_after(std::chrono::microseconds(200));
        std::error_code cancelled;
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
      }
      if (!done_) times.push_back(microseconds(p.statistics().round_trip_last));
    }
  }

  std::size_t pairs_;
  place to_;
  asio::io_context io_{1};
  std::string long_ = std::string(parley::largest_message, 'l');
  bool done_ = false;
};

/// Answers each message with the time at which it came.
asio::awaitable<void> answer_times(parley::listener& listener) {
  auto peer = co_await listener.accept();
  while (const auto m = co_await peer.receive()) {
    const auto at = microseconds(steady_clock::now().time_since_epoch());
    co_await peer.send(std::to_string(at));
  }
}

void serve_mixed(const std::string& host, const announce& where) {
  asio::io_context io(1);
  parley::listener listener(io.get_executor(), roomy());
  listener.listen(host, 0);
  where(place::text_of(listener.endpoints().front()));
  start(io.get_executor(), answer_times(listener));
  io.run();
}

readings measure_mixed(std::size_t pairs) {
  const std::string host = loopback_address();
  crowd_pair pair;
  pair.serve = [&](const announce& where, const report&) { serve_mixed(host, where); };
  pair.call = [&](const std::string& address, const report& tell) {
    mixed_client(pairs, address).run(tell);
  };
  const numbers found = run_pair(pair);
  numbers transfers;
  numbers waits;
  for (std::size_t i = 0; i < pairs; ++i) {
    transfers.push_back(found.at(2 * i));
    waits.push_back(found.at(2 * i + 1) / found.at(2 * i));
  }
  const numbers pings(found.begin() + static_cast<std::ptrdiff_t>(2 * pairs), found.end());
  const double transfer = median(transfers);
  const double of_a_batch =
      transfer * static_cast<double>(batch) / static_cast<double>(parley::largest_message);
  const std::string size = "16 MiB + 1 B";
  readings all{{"mixed messages, transfer of the long", size, "parley", "µs", transfer},
               {"mixed messages, short ÷ long before it", size, "parley", "×", median(waits)}};
  if (pings.empty()) return all;
  all.push_back({"mixed messages, ping p50", size, "parley", "µs", median(pings)});
  all.push_back(
      {"mixed messages, ping p50 ÷ 256 KiB", size, "parley", "×", median(pings) / of_a_batch});
  return all;
}

}  // namespace

crowd mixed_crowd(const settings& s) {
  const std::size_t pairs = s.quick ? 3 : 20;
  crowd c{"mixed messages",
          {"mixed messages, transfer of the long", "mixed messages, short ÷ long before it",
           "mixed messages, ping p50", "mixed messages, ping p50 ÷ 256 KiB"},
          {}};
  c.contenders.emplace_back([pairs] { return measure_mixed(pairs); });
  return c;
}

}  // namespace bench
