#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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

namespace resume_sweep_test {

// One whole conversation, cut at every byte that passes in either direction, in every way in which
// a connection can fail. Real conversations and the real dialer, in virtual time.

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
using listener = pipe_listener<line_stream>;
using peer = listener::peer_type;

constexpr int script_length = 20;  // messages each way

#ifdef PARLEY_SANITIZED
constexpr std::uint64_t stride = 11;  // a prime: it falls on every part of the frames in turn
#else
constexpr std::uint64_t stride = 1;
#endif

options settings() {
  options o;
  o.heartbeat = 1s;
  o.wait_for = 1min;
  o.goodbye_timeout = 1min;
  return o;
}

std::string text(std::string_view name, int i) {
  return std::string(name) + " " + std::to_string(i);
}

/// What one program saw.
struct record {
  std::vector<std::string> heard;
  std::uint64_t undelivered = 0;
  std::error_code reason;
  bool done = false;
};

enum class manner {
  at_once,   ///< each side says everything, and goodbye, and then listens
  in_turn,   ///< each message is answered by one
  at_last,   ///< the listener says everything once the dialer has said goodbye
  lingering  ///< the listener says goodbye long after everything else
};

constexpr std::string_view name_of(manner m) {
  constexpr std::string_view names[] = {"at once", "in turn", "at last", "lingering"};
  return names[static_cast<std::size_t>(m)];
}

asio::awaitable<void> say_all(peer& p, std::string_view name, bool in_turn, record& saw,
                              std::error_code& ec) {
  for (int i = 0; i < script_length && !ec; ++i) {
    const std::string body = text(name, i);
    co_await p.send(body, 0, ec);
    if (!in_turn || ec) continue;
    const auto m = co_await p.receive(ec);
    if (m) saw.heard.emplace_back(m->body);
  }
}

asio::awaitable<void> hear_all(peer& p, record& saw, std::error_code& ec) {
  for (bool open = true; open && !ec;) {
    const auto m = co_await p.receive(ec);
    if (m) saw.heard.emplace_back(m->body);
    open = m.has_value();
  }
}

asio::awaitable<void> leave(peer p, std::error_code failed, record& saw) {
  if (failed) {
    saw.undelivered = p.statistics().unacknowledged;
  } else {
    saw.undelivered = co_await p.close(30min);
  }
  saw.reason = failed ? failed : p.reason();
  saw.done = true;
}

asio::awaitable<void> converse(peer p, manner how, record& saw) {
  std::error_code ec;
  co_await say_all(p, "dialer", how == manner::in_turn, saw, ec);
  if (!ec) p.finish();
  co_await hear_all(p, saw, ec);
  co_await leave(std::move(p), ec, saw);
}

asio::awaitable<void> respond(peer p, manner how, record& saw) {
  std::error_code ec;
  if (how == manner::at_last) co_await hear_all(p, saw, ec);
  if (!ec) co_await say_all(p, "listener", how == manner::in_turn, saw, ec);
  if (!ec && how != manner::lingering) p.finish();
  if (!ec && how != manner::at_last) co_await hear_all(p, saw, ec);
  if (!ec && how == manner::lingering) {
    manual_clock::timer pause(p.get_executor(), manual_clock::now() + 100ms);
    co_await pause.async_wait(asio::use_awaitable);
  }
  co_await leave(std::move(p), ec, saw);
}

asio::awaitable<void> dial(network_connector connector, manner how, record& saw) {
  std::error_code failed;
  peer p;
  try {
    p = co_await parley::dial<parley::session, manual_clock>(std::move(connector), settings());
  } catch (const std::system_error& e) {
    failed = e.code();
  }
  if (failed) {
    saw.reason = failed;
    saw.done = true;
  } else {
    co_await converse(std::move(p), how, saw);
  }
}

asio::awaitable<void> answer(listener& l, manner how, record& saw) {
  auto p = co_await l.accept();
  co_await respond(std::move(p), how, saw);
}

struct conversation {
  record dialer;
  record listener;
  parley::test::line::traffic seen;
  std::size_t connections = 0;
  std::uint64_t superseded = 0;  ///< connections that the listener gave up for the next one
};

/// Plays it; fails if it hangs.
conversation perform(manner how, std::vector<fault> faults) {
  conversation c;
  asio::io_context context;
  auto told = settings();
  told.on_event = [&c](const event& e) { c.superseded += e.reason == errc::superseded ? 1U : 0U; };
  listener listening(context.get_executor(), told);
  const auto network = std::make_shared<pipe_network>(context.get_executor());
  network->faults = std::move(faults);
  network->answer = [&listening](line_stream s) { listening.call(std::move(s)); };
  auto dialing = launch(context, dial(network_connector{network}, how, c.dialer));
  auto answering = launch(context, answer(listening, how, c.listener));
  const auto limit = manual_clock::now() + 24h;
  manual_clock::settle(context);
  while (!dialing.done() || !answering.done())
    if (!manual_clock::step(context, limit)) FAIL("hangs");
  dialing.get();
  answering.get();
  c.seen = network->seen();
  c.connections = network->made();
  return c;
}

std::vector<std::string> all_of(std::string_view name) {
  std::vector<std::string> all;
  for (int i = 0; i < script_length; ++i) all.push_back(text(name, i));
  return all;
}

/// One way of failing, tried at every byte.
struct sweep {
  fault::kind what;
  std::string_view name;
};

void check_complete(const conversation& c) {
  REQUIRE(c.dialer.heard == all_of("listener"));
  REQUIRE(c.listener.heard == all_of("dialer"));
  INFO("dialer: " << c.dialer.reason.message() << ", " << c.dialer.undelivered << " undelivered");
  INFO("listener: " << c.listener.reason.message() << ", " << c.listener.undelivered
                    << " undelivered");
  CHECK_FALSE(c.dialer.reason);
  CHECK_FALSE(c.listener.reason);
  CHECK(c.dialer.undelivered == 0);
  CHECK(c.listener.undelivered == 0);
}

constexpr sweep sweeps[] = {{fault::kind::close, "closed"},
                            {fault::kind::reset, "reset"},
                            {fault::kind::stall, "stalled"},
                            {fault::kind::half_close, "half closed"},
                            {fault::kind::desertion, "deserted"}};

}  // namespace

TEST_CASE("a conversation cut at any byte, in any way, is delivered whole and ends well") {
  std::uint64_t cases = 0;
  std::uint64_t superseded = 0;
  for (const manner how : {manner::at_once, manner::in_turn, manner::at_last, manner::lingering}) {
    const auto whole = perform(how, {});
    check_complete(whole);
    REQUIRE(whole.connections == 1);
    for (const std::size_t direction : {0U, 1U})
      for (const auto& [what, name] : sweeps)
        for (const bool late : {false, true})
          for (std::uint64_t at = 0; at <= whole.seen.bytes[direction]; at += stride) {
            INFO(name << (late ? " late" : "") << " after " << at << " of "
                      << whole.seen.bytes[direction] << " bytes from the "
                      << (direction == 0 ? "dialer" : "listener") << ", " << name_of(how));
            const auto c = perform(how, {fault{what, direction, at, late}});
            check_complete(c);
            CHECK(c.connections <= 2);  // the next one mends it
            superseded += c.superseded;
            ++cases;
          }
  }
  CHECK(superseded > cases / 10);
  std::cout << cases << " ways to cut a conversation\n";
}

TEST_CASE("a conversation cut again and again, also while it is mended, ends well") {
  constexpr std::uint64_t seeds = 3000 / stride;
  std::uint64_t connections = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    parley::test::random rng(seed);
    const auto how = static_cast<manner>(rng.below(4));
    std::vector<fault> faults(rng.between(2, 8));
    for (fault& f : faults)
      f = {.what = static_cast<fault::kind>(rng.below(5)),
           .direction = static_cast<std::size_t>(rng.below(2)),
           .after = rng.below(rng.once_in(2) ? 600 : 100),  // some within the greetings
           .late = rng.once_in(2)};
    INFO("seed " << seed << ", " << name_of(how));
    const auto c = perform(how, faults);
    check_complete(c);
    connections += c.connections;
  }
  CHECK(connections > 2 * seeds);
}

}  // namespace resume_sweep_test
