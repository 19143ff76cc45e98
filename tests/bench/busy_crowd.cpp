#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "crowd.hpp"
#include "crowd_loop.hpp"
#include "crowd_pair.hpp"
#include "statistics.hpp"

namespace bench {
namespace {

using std::chrono::steady_clock;

/// Calls as many as there are, and lets each say a word and wait for its echo, again and again, all
/// at once.
class busy_client {
 public:
  busy_client(std::size_t size, std::size_t turns, const std::string& address)
      : turns_(turns), to_(place::of(address)), times_(size) {}

  void run(const report& tell) {
    start(io_.get_executor(), measure(tell));
    io_.run();
  }

 private:
  asio::awaitable<void> measure(report tell) {
    const auto dial = [this](std::size_t) { return dial_one(); };
    parallel dialing(io_.get_executor(), times_.size(), dial);
    co_await dialing.run(callers_at_once);
    const auto begun = steady_clock::now();
    const auto talk = [this](std::size_t i) { return ping_pong(peers_[i], times_[i]); };
    parallel talking(io_.get_executor(), times_.size(), talk);
    co_await talking.run(times_.size());
    const std::chrono::duration<double, std::milli> elapsed = steady_clock::now() - begun;
    tell(sum_up(elapsed.count()));
    io_.stop();
  }

  asio::awaitable<void> dial_one() {
    auto p = co_await parley::dial(to_.host, to_.port);
    peers_.push_back(std::move(p));
  }

  asio::awaitable<void> ping_pong(parley::peer& p, std::vector<double>& times) const {
    const std::string word(32, 'x');
    times.reserve(turns_);
    while (times.size() < turns_) {
      const auto begun = steady_clock::now();
      co_await p.send(word);
      co_await p.receive();
      times.push_back(
          std::chrono::duration<double, std::micro>(steady_clock::now() - begun).count());
    }
  }

  /// The median of all turns, the p99 of the conversation whose p99 is worst, and thousands of
  /// turns in a second.
  [[nodiscard]] numbers sum_up(double elapsed_ms) const {
    std::vector<double> all;
    double worst = 0;
    for (const auto& times : times_) {
      all.insert(all.end(), times.begin(), times.end());
      worst = std::max(worst, quantile(times, 0.99));
    }
    return {median(all), worst, static_cast<double>(all.size()) / elapsed_ms};
  }

  std::size_t turns_;
  place to_;
  asio::io_context io_{1};
  std::deque<parley::peer> peers_;
  std::vector<std::vector<double>> times_;
};

/// The part of a server that has a thread of its own.
struct core {
  asio::io_context io{1};
  parley::listener listener{io.get_executor()};
  std::deque<parley::peer> peers;
};

/// Echoes with so many threads, see docs/all-cores.md.
void serve_busy(const std::vector<std::size_t>& cores, const std::string& host,
                const announce& where) {
  std::deque<core> all(cores.size());
  for (core& c : all) {
    if (&c != &all.front()) all.front().listener.share_with(c.listener);
    start(c.io.get_executor(), echo_to_all(c.listener, c.peers));
  }
  all.front().listener.listen(host, 0);
  where(place::text_of(all.front().listener.endpoints().front()));
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < cores.size(); ++i)
    threads.emplace_back([&c = all[i], at = cores[i]] {
      stay_on(at);  // of a thread it is this thread's
      c.io.run();
    });
}

readings measure_busy(std::size_t size, std::size_t turns, const std::vector<std::size_t>& cores) {
  const std::string host = loopback_address();
  crowd_pair pair;
  pair.serve = [&](const announce& where, const report&) { serve_busy(cores, host, where); };
  pair.call = [&](const std::string& address, const report& tell) {
    busy_client(size, turns, address).run(tell);
  };
  const numbers found = run_pair(pair);
  const std::string count = with_commas(size);
  const std::string name = cores.size() == 1 ? "parley" : "parley all cores";
  return {{"busy conversations, worst p99 ÷ median", count, name, "×", found.at(1) / found.at(0)},
          {"busy conversations, p50", count, name, "µs", found.at(0)},
          {"busy conversations, turns", count, name, "k/s", found.at(2)}};
}

}  // namespace

crowd busy_crowd(const settings& s) {
  const std::size_t size = affordable(s.quick ? 100 : 1'000);
  const std::size_t turns = 100;  // of each, so that it has a p99
  const auto cores = usable_cores();
  crowd c{"busy conversations",
          {"busy conversations, worst p99 ÷ median", "busy conversations, p50",
           "busy conversations, turns"},
          {}};
  const std::vector<std::size_t> one{cores.front()};
  c.contenders.emplace_back([=] { return measure_busy(size, turns, one); });
  if (cores.size() > 1) c.contenders.emplace_back([=] { return measure_busy(size, turns, cores); });
  return c;
}

}  // namespace bench
