#include <array>
#include <asio/awaitable.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/dial.hpp>
#include <parley/error.hpp>
#include <parley/options.hpp>
#include <parley/peer.hpp>
#include <parley/protocol/session.hpp>

#include "support/manual_clock.hpp"
#include "support/pipe_listener.hpp"
#include "support/pipe_network.hpp"
#include "support/random.hpp"
#include "support/run.hpp"

namespace resume_month_test {

// A month of two programs that say something now and then, over a network that fails for seconds or
// for hours: real conversations and the real dialer, in virtual time.

namespace {

using namespace std::chrono_literals;
using parley::errc;
using parley::event;
using parley::options;
using parley::test::fault;
using parley::test::launch;
using parley::test::line_stream;
using parley::test::manual_clock;
using parley::test::network_connector;
using parley::test::pipe_listener;
using parley::test::pipe_network;
using parley::test::started;
using listener = pipe_listener<line_stream>;
using peer = listener::peer_type;
using std::chrono::seconds;

#ifdef PARLEY_SANITIZED
constexpr seconds month = 24h * 5;
#else
constexpr seconds month = 24h * 30;
#endif
constexpr seconds talk_every = 7min;

/// How often each thing happened to one side.
struct events {
  std::uint64_t connecting = 0, failed = 0, lost = 0, resumed = 0, connected = 0, ended = 0;

  void count(const event& e) {
    switch (e.what) {
      case event::kind::connecting: ++connecting; break;
      case event::kind::failed: ++failed; break;
      case event::kind::lost: ++lost; break;
      case event::kind::resumed: ++resumed; break;
      case event::kind::connected: ++connected; break;
      case event::kind::ended: ++ended; break;
      default: break;
    }
  }
};

options settings(events& seen) {
  options o;
  o.heartbeat = 60s;
  o.on_event = [&seen](const event& e) { seen.count(e); };
  return o;
}

/// One side of a conversation and what its program has said and heard.
struct side {
  peer p;
  std::uint64_t said = 0;
  std::uint64_t heard = 0;
};

asio::awaitable<void> hear(side& s) {
  std::error_code ec;
  while (!ec) {
    const auto m = co_await s.p.receive(ec);
    if (m) CHECK(m->body == std::to_string(s.heard++));
  }
}

asio::awaitable<void> talk(side& s) {
  std::error_code ec;
  while (!s.p.ended()) {
    const std::string body = std::to_string(s.said);
    co_await s.p.send(body, 0, ec);
    if (!ec) ++s.said;
    manual_clock::timer pause(s.p.get_executor(), manual_clock::now() + talk_every);
    co_await pause.async_wait(asio::use_awaitable);
  }
}

/// Both sides, until the network has failed for too long.
class conversation {
 public:
  conversation(asio::io_context& context, listener& l, const std::shared_ptr<pipe_network>& n,
               const options& o) {
    auto accepting = launch(context, l.accept());
    dialer.p = parley::test::run_virtually(context, dial(network_connector{n}, o));
    manual_clock::settle(context);
    listening.p = accepting.get();
    for (side* s : {&dialer, &listening}) {
      programs_.push_back(launch(context, hear(*s)));
      programs_.push_back(launch(context, talk(*s)));
    }
  }

  [[nodiscard]] bool has_come_through() const {
    return dialer.p.state() == parley::state::connected && dialer.heard == listening.said &&
           listening.p.state() == parley::state::connected && listening.heard == dialer.said;
  }

  [[nodiscard]] bool done() const {
    for (const auto& p : programs_)
      if (!p.done()) return false;
    return true;
  }

  side dialer;
  side listening;

 private:
  static asio::awaitable<peer> dial(network_connector c, options o) {
    return parley::dial<parley::session, manual_clock>(std::move(c), std::move(o));
  }

  std::vector<started<void>> programs_;
};

/// How many attempts full jitter makes in `time`: a mean, and how far off chance may be. The range
/// doubles from 100 ms to `most`; a pause takes half of it on average, and varies by the square of
/// it over 12.
struct expectation {
  double mean;
  double spread;
};

expectation attempts_in(seconds time, std::chrono::milliseconds most) {
  const double range = std::chrono::duration<double>(most).count();
  expectation e{.mean = 1, .spread = 0};  // the first comes at once
  double rest = std::chrono::duration<double>(time).count();
  for (double r = 0.1; r < range && rest > r / 2; r *= 2) {
    ++e.mean;
    rest -= r / 2;
  }
  e.mean += rest / (range / 2);
  e.spread = std::sqrt(rest * (range * range / 12) / std::pow(range / 2, 3)) + 3;
  return e;
}

constexpr double sigmas = 6;  // once in 500 million outages

}  // namespace

TEST_CASE("a month of outages: short ones are bridged, long ones end it, for the right reason") {
  const auto begun = std::chrono::steady_clock::now();
  parley::test::random rng(1);
  events at_dialer, at_listener;
  const options o = settings(at_dialer);
  asio::io_context context;
  listener l(context.get_executor(), settings(at_listener));
  const auto network = std::make_shared<pipe_network>(context.get_executor());
  network->answer = [&l](line_stream s) { l.call(std::move(s)); };

  std::uint64_t outages = 0, bridged = 0, conversations = 0, said = 0;
  std::chrono::duration<double> healthy{0};
  double expected = 0, variance = 0;
  std::uint64_t failed_attempts = 0;
  auto c = std::make_unique<conversation>(context, l, network, o);
  ++conversations;

  const auto end = manual_clock::now() + month;
  while (manual_clock::now() < end) {
    const seconds quiet(rng.between(60, 8 * 3600));
    manual_clock::advance(context, quiet);
    healthy += quiet;
    REQUIRE(c->has_come_through());

    // Half of the outages are too long. Between the two lengths it depends on who notices when.
    const auto notice = o.heartbeat * 5 / 2;
    const bool bridge = rng.once_in(2);
    const seconds limit = std::chrono::duration_cast<seconds>(o.resume_for);
    const seconds slack = std::chrono::ceil<seconds>(notice) + 10s;
    const seconds length(
        bridge ? rng.between(1, static_cast<std::uint64_t>((limit - slack).count()))
               : rng.between(static_cast<std::uint64_t>((limit + slack).count()), 4 * 3600));
    const auto kind = static_cast<fault::kind>(rng.below(5));
    INFO("outage " << outages << " of kind " << static_cast<int>(kind) << " for " << length.count()
                   << " s");
    const auto attempts = network->attempts;
    network->down = asio::error::connection_refused;
    network->strike({.what = kind});
    manual_clock::advance(context, length);
    network->down.clear();
    ++outages;
    const auto made = network->attempts - attempts;
    failed_attempts += made;

    // A stalled connection is noticed late, and only then are there attempts.
    const bool at_once = kind != fault::kind::stall;
    const seconds most = std::min(length, limit);
    const seconds least = at_once ? most : std::max(0s, std::min(length - slack, limit));
    const auto upper = attempts_in(most, o.retry_most);
    const auto lower = attempts_in(least, o.retry_most);
    CHECK(static_cast<double>(made) <= upper.mean + sigmas * upper.spread);
    CHECK(static_cast<double>(made) >= lower.mean - 1 - sigmas * lower.spread);
    CHECK(made >= static_cast<std::uint64_t>(least / o.retry_most));  // no pause is longer
    if (at_once) {
      expected += upper.mean;
      variance += upper.spread * upper.spread;
    } else {
      failed_attempts -= made;
    }

    manual_clock::advance(context, slack);
    if (bridge) {
      ++bridged;
      REQUIRE(c->has_come_through());
    } else {
      REQUIRE(c->dialer.p.ended());
      REQUIRE(c->listening.p.ended());
      CHECK(c->dialer.p.reason() == asio::error::connection_refused);
      CHECK(c->listening.p.reason() == errc::not_back);
      // Nothing is silent: what was not heard is not counted as delivered.
      for (const auto& [here, there] :
           {std::pair{&c->dialer, &c->listening}, std::pair{&c->listening, &c->dialer}}) {
        const auto known = here->p.statistics();
        CHECK(here->p.delivered_count() <= there->heard);
        CHECK(here->p.delivered_count() + known.unacknowledged == here->said);
        CHECK(there->heard <= here->said - known.unsent);
      }
      manual_clock::advance(context, talk_every);
      REQUIRE(c->done());
      said += c->dialer.said + c->listening.said;
      c = std::make_unique<conversation>(context, l, network, o);
      ++conversations;
    }
  }
  said += c->dialer.said + c->listening.said;

  // Each side is heard once in a heartbeat, and pings only when it, or the other, was not.
  const auto& pings = network->seen().pings;
  const auto beats = healthy / o.heartbeat;
  CHECK(static_cast<double>(pings[0] + pings[1]) >= beats - static_cast<double>(said));
  for (const auto n : pings)
    CHECK(static_cast<double>(n) <= beats + 5 * static_cast<double>(outages + said));
  CHECK(at_dialer.connecting == network->attempts);
  CHECK(at_dialer.connected == conversations);
  CHECK(at_dialer.resumed == bridged);
  CHECK(at_dialer.lost == outages);
  CHECK(at_listener.resumed == bridged);
  CHECK(std::abs(static_cast<double>(failed_attempts) - expected) <= sigmas * std::sqrt(variance));

  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  std::cout << "a month: " << outages << " outages, " << bridged << " bridged, " << conversations
            << " conversations, " << said << " messages, " << pings[0] + pings[1] << " pings, "
            << network->attempts << " attempts (" << failed_attempts << " failed at once, "
            << expected << " expected), " << took.count() << " s\n";
}

}  // namespace resume_month_test
