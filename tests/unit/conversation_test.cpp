#include <parley/detail/conversation.hpp>

#include <array>
#include <asio/io_context.hpp>
#include <asio/read.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/dial.hpp>
#include <parley/peer.hpp>
#include <parley/protocol/session.hpp>

#include "support/manual_clock.hpp"
#include "support/over_stream.hpp"
#include "support/pipe_stream.hpp"
#include "support/run.hpp"

namespace conversation_test {

namespace {

using namespace std::chrono_literals;
using parley::errc;
using parley::event;
using parley::options;
using parley::send_result;
using parley::test::answer_over;
using parley::test::dial_over;
using parley::test::launch;
using parley::test::make_pipe;
using parley::test::manual_clock;
using parley::test::peer_over;
using parley::test::pipe_end;
using parley::test::pipe_stream;
using parley::test::run_virtually;
using parley::test::started;
using parley::test::whole_stream;

using peer = peer_over<pipe_stream>;

static_assert(!parley::detail::pollable<pipe_stream>);
static_assert(parley::detail::half_closable<pipe_stream>);
static_assert(!parley::detail::half_closable<whole_stream>);

// --- two ends that talk over memory --------------------------------------------------------------

/// Two peers that have greeted each other over a pipe; what each end does can be told and counted.
struct conversation {
  explicit conversation(options left_options = {}, options right_options = {},
                        std::size_t capacity = 65'536) {
    auto [l, r] = make_pipe(context.get_executor(), capacity);
    left_end = l.share_end();
    right_end = r.share_end();
    auto answering = launch(context, answer_over(std::move(r), std::move(right_options)));
    left = run_virtually(context, dial_over(std::move(l), std::move(left_options)));
    manual_clock::settle(context);
    right = answering.get();
  }

  void settle() { manual_clock::settle(context); }
  void advance(manual_clock::duration d) { manual_clock::advance(context, d); }

  asio::io_context context;  // first: it must outlive all that waits on it
  std::shared_ptr<pipe_end> left_end;
  std::shared_ptr<pipe_end> right_end;
  peer left;
  peer right;
};

options small_options() {
  options o;
  o.max_message = 100;
  o.window = o.outbox = 300;  // two messages of 100 bytes with their overhead, not three
  return o;
}

std::string text(std::string_view from, int i) {
  return std::string(from) + " " + std::to_string(i);
}

asio::awaitable<parley::receipt> send(peer& p, std::string body) {
  const auto r = co_await p.send(body);
  co_return r;
}

asio::awaitable<std::string> receive(peer& p) {
  const auto m = co_await p.receive();
  co_return m ? std::string(m->body) : std::string("goodbye");
}

template <typename T>
std::error_code error_of(started<T>& s) {
  try {
    (void)s.get();
  } catch (const std::system_error& e) {
    return e.code();
  }
  return {};
}

// --- the scripted conversation -------------------------------------------------------------------

constexpr int script_length = 5;

/// What one side saw of it.
struct record {
  std::vector<std::string> received;
  std::uint64_t delivered = 0;
  std::uint64_t undelivered = 0;
  std::uint64_t sent = 0;
  std::error_code reason;  ///< why it ended; none: both said goodbye
  bool finished = false;
};

template <typename Stream>
asio::awaitable<void> play(peer_over<Stream> p, std::string name, record& saw) {
  std::error_code ec;
  for (int i = 0; i < script_length && !ec; ++i) {
    const std::string body = text(name, i);
    co_await p.send(body, 0, ec);
    if (!ec) ++saw.sent;
  }
  p.finish();
  for (;;) {
    const auto m = co_await p.receive(ec);
    if (!m) break;
    saw.received.emplace_back(m->body);
  }
  saw.undelivered = co_await p.close();
  saw.delivered = p.delivered_count();
  saw.reason = p.reason();
  saw.finished = true;
}

template <typename Stream>
asio::awaitable<void> play_dialer(Stream s, record& saw) {
  std::error_code failed;
  peer_over<Stream> p;
  try {
    p = co_await dial_over(std::move(s));
  } catch (const std::system_error& e) {
    failed = e.code();
  }
  if (!failed) {
    co_await play(std::move(p), "left", saw);
  } else {
    saw.reason = failed;
    saw.finished = true;
  }
}

template <typename Stream>
asio::awaitable<void> play_listener(Stream s, record& saw) {
  std::error_code failed;
  peer_over<Stream> p;
  try {
    p = co_await answer_over(std::move(s));
  } catch (const std::system_error& e) {
    failed = e.code();
  }
  if (!failed) {
    co_await play(std::move(p), "right", saw);
  } else {
    saw.reason = failed == asio::error::eof ? make_error_code(errc::disconnected) : failed;
    saw.finished = true;
  }
}

struct script {
  record left;
  record right;
  std::uint64_t left_operations = 0;
  std::uint64_t right_operations = 0;
};

/// Plays it once, over ends that `plan` has been shown; fails if it hangs.
template <typename Stream = pipe_stream, typename Plan>
script perform(Plan plan, std::size_t capacity = 65'536) {
  script s;
  asio::io_context context;
  auto [l, r] = make_pipe(context.get_executor(), capacity);
  const auto left_end = l.share_end();
  const auto right_end = r.share_end();
  plan(*left_end, *right_end);
  auto right = launch(context, play_listener(Stream(std::move(r)), s.right));
  run_virtually(context, play_dialer(Stream(std::move(l)), s.left));
  const auto limit = manual_clock::now() + 1h;
  while (!right.done())
    if (!manual_clock::step(context, limit)) FAIL("the listener's side hangs");
  right.get();
  s.left_operations = left_end->operations();
  s.right_operations = right_end->operations();
  return s;
}

std::vector<std::string> lines_of(std::string_view name, std::size_t count = script_length) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(text(name, static_cast<int>(i)));
  return all;
}

void check_complete(const script& s) {
  CHECK(s.left.received == lines_of("right"));
  CHECK(s.right.received == lines_of("left"));
  for (const record* side : {&s.left, &s.right}) {
    CHECK(side->finished);
    CHECK(side->undelivered == 0);
    CHECK(side->delivered == script_length);
    CHECK_FALSE(side->reason);
  }
}

/// What must hold however it was cut off.
void check_sound(const script& s, const std::error_code& planned) {
  const auto one_side = [&](const record& here, const record& there, std::string_view other) {
    REQUIRE(here.finished);
    REQUIRE(here.received == lines_of(other, here.received.size()));  // in order, none twice
    REQUIRE(here.received.size() <= there.sent);
    REQUIRE(here.delivered <= there.received.size());  // never more than the other program took
    REQUIRE(here.undelivered == here.sent - here.delivered);
    INFO("reason " << here.reason.message());
    const std::error_code gone = asio::error::broken_pipe;
    REQUIRE((!here.reason || here.reason == planned || here.reason == errc::disconnected ||
             here.reason == errc::no_greeting || here.reason == gone));
    if (!here.reason) REQUIRE(here.undelivered == 0);
  };
  one_side(s.left, s.right, "right");
  one_side(s.right, s.left, "left");
}

}  // namespace

// --- whole conversations -------------------------------------------------------------------------

TEST_CASE("a conversation over memory comes to its end on both sides") {
  check_complete(perform([](pipe_end&, pipe_end&) {}));
}

TEST_CASE("a conversation survives reads and writes of one byte") {
  check_complete(perform([](pipe_end& l, pipe_end& r) {
    l.most_read = l.most_write = r.most_read = r.most_write = 1;
  }));
}

TEST_CASE("a conversation survives streams that nearly always would block") {
  check_complete(perform([](pipe_end& l, pipe_end& r) {
    l.hesitation = r.hesitation = 90;
    l.most_read = r.most_write = 3;
  }));
}

TEST_CASE("a conversation survives a stream that holds one byte at a time") {
  check_complete(perform([](pipe_end&, pipe_end&) {}, 1));
}

TEST_CASE("a conversation ends well on a stream that cannot end its output alone") {
  check_complete(perform<whole_stream>([](pipe_end&, pipe_end&) {}));
}

TEST_CASE("whichever operation fails, both sides end, and neither counts too much as delivered") {
  const bool left_fails = GENERATE(true, false);
  const bool late = GENERATE(false, true);  // lost on the way, or only the answer was
  const std::size_t cut = GENERATE(std::size_t{1}, std::size_t{9}, pipe_end::unlimited);
  const auto plan = [&](std::uint64_t n) {
    return [=](pipe_end& l, pipe_end& r) {
      l.most_read = l.most_write = r.most_read = r.most_write = cut;
      pipe_end& failing = left_fails ? l : r;
      failing.fail_at = n;
      failing.fails_late = late;
    };
  };
  const auto whole = perform(plan(0));
  check_complete(whole);
  const auto operations = left_fails ? whole.left_operations : whole.right_operations;
  REQUIRE(operations > 5);
  for (std::uint64_t n = 1; n <= operations; ++n) {
    CAPTURE(left_fails, late, cut, n);
    check_sound(perform(plan(n)), asio::error::connection_reset);
  }
}

TEST_CASE(
    "whichever operation fails on a stream that cannot end its output alone, both sides end") {
  const bool left_fails = GENERATE(true, false);
  const auto plan = [&](std::uint64_t n) {
    return [=](pipe_end& l, pipe_end& r) { (left_fails ? l : r).fail_at = n; };
  };
  const auto whole = perform<whole_stream>(plan(0));
  const auto operations = left_fails ? whole.left_operations : whole.right_operations;
  for (std::uint64_t n = 1; n <= operations; ++n) {
    CAPTURE(left_fails, n);
    check_sound(perform<whole_stream>(plan(n)), asio::error::connection_reset);
  }
}

TEST_CASE("whatever the streams do, both sides end soundly") {
  for (std::uint32_t seed = 1; seed <= 1000; ++seed) {
    CAPTURE(seed);
    std::minstd_rand random(seed);
    const auto up_to = [&](unsigned most) { return static_cast<unsigned>(random() % (most + 1)); };
    const std::size_t capacity = 1 + up_to(200);
    const auto plan = [&](pipe_end& l, pipe_end& r) {
      for (pipe_end* end : {&l, &r}) {
        end->random.seed(seed);
        end->most_read = 1 + up_to(100);
        end->most_write = 1 + up_to(100);
        end->hesitation = up_to(90);
        end->fails_late = up_to(1) == 0;
        // Beyond the last operation in about every other conversation.
        end->fail_at = 1 + up_to(200);
      }
    };
    check_sound(perform(plan, capacity), asio::error::connection_reset);
  }
}

// --- time ----------------------------------------------------------------------------------------

TEST_CASE("a peer that falls silent is given up after two and a half heartbeats") {
  options o;
  o.heartbeat = 1s;
  conversation c(o, o);
  auto left = launch(c.context, receive(c.left));
  auto right = launch(c.context, receive(c.right));
  c.advance(10s);
  REQUIRE_FALSE(left.done());  // pings are answered, so silence of the programs is no silence

  c.left_end->frozen = c.right_end->frozen = true;
  const auto since = manual_clock::now();
  const auto limit = since + 1h;
  while (!left.done() && manual_clock::step(c.context, limit)) {
  }
  REQUIRE(left.done());
  CHECK(manual_clock::now() - since <= 2500ms);
  CHECK(manual_clock::now() - since >= 1500ms);  // the last sign of life was at most one beat old
  CHECK(error_of(left) == errc::peer_silent);
  CHECK(c.left.reason() == errc::peer_silent);
  c.advance(1s);
  REQUIRE(right.done());
  CHECK(error_of(right) == errc::peer_silent);
}

TEST_CASE("a silent peer is noticed while a write to it waits") {
  options o;
  o.heartbeat = 1s;
  conversation c(o, o, 100);
  c.right_end->asleep = true;
  auto sending = launch(c.context, send(c.left, std::string(50'000, 'x')));
  c.advance(4s);
  REQUIRE(sending.done());  // it was queued
  CHECK(c.left.ended());
  CHECK(c.left.reason() == errc::peer_silent);
  CHECK(c.left.statistics().unacknowledged == 1);
}

TEST_CASE("a listener that never answers is given up at the handshake's deadline") {
  asio::io_context context;
  auto [l, r] = make_pipe(context.get_executor());
  options o;
  o.handshake_timeout = 3s;
  const auto since = manual_clock::now();
  auto dialing = launch(context, dial_over(std::move(l), o));
  const auto limit = since + 1h;
  while (!dialing.done() && manual_clock::step(context, limit)) {
  }
  REQUIRE(dialing.done());
  CHECK(manual_clock::now() - since == 3s);
  CHECK(error_of(dialing) == errc::handshake_timeout);
}

TEST_CASE("an acknowledgement goes out alone after five milliseconds") {
  conversation c;
  (void)c.left.try_send("one");
  (void)c.left.try_send("two");
  c.settle();
  CHECK(c.right.try_receive()->body == "one");
  CHECK(c.right.try_receive()->body == "two");  // so the first is released
  c.settle();
  CHECK(c.left.delivered_count() == 0);
  c.advance(5ms);
  CHECK(c.left.delivered_count() == 1);
}

TEST_CASE("a round trip is measured, however long the peer takes") {
  conversation c;
  c.settle();
  c.right_end->asleep = true;
  c.left.ping();
  c.advance(30ms);
  c.right_end->asleep = false;
  REQUIRE(c.left.try_send("wake up") == send_result::queued);
  c.settle();
  CHECK(c.left.statistics().round_trip_last == 30ms);
  CHECK(c.left.statistics().round_trip_min <= 30ms);
  CHECK_FALSE(c.left.ended());
}

// --- limits --------------------------------------------------------------------------------------

TEST_CASE("send waits while the outbox is full, and goes on when the peer has acknowledged") {
  conversation c(small_options(), small_options());
  const std::string body(100, 'x');
  REQUIRE(c.left.try_send(body) == send_result::queued);
  REQUIRE(c.left.try_send(body) == send_result::queued);
  REQUIRE(c.left.try_send(body) == send_result::full);
  auto sending = launch(c.context, send(c.left, body));
  c.advance(1s);
  CHECK_FALSE(sending.done());
  CHECK(run_virtually(c.context, receive(c.right)) == body);
  CHECK(run_virtually(c.context, receive(c.right)) == body);  // the first is released
  c.advance(1s);
  REQUIRE(sending.done());
  CHECK(sending.get().sequence == 2);
}

TEST_CASE("send that waits ends with the conversation's reason") {
  conversation c(small_options(), small_options());
  const std::string body(100, 'x');
  while (c.left.try_send(body) == send_result::queued) {
  }
  auto sending = launch(c.context, send(c.left, body));
  c.settle();
  SECTION("the peer is gone") {
    c.right.abort();
    c.settle();
    CHECK(error_of(sending) == errc::disconnected);
  }
  SECTION("this side is aborted") {
    c.left.abort();
    c.settle();
    CHECK(error_of(sending) == errc::aborted);
  }
  CHECK(sending.done());
}

TEST_CASE("what cannot be sent is refused with its own error, and nothing is queued") {
  options narrow;
  narrow.max_message = 10;
  conversation c({}, narrow);
  auto too_large = launch(c.context, send(c.left, std::string(11, 'x')));
  c.settle();
  CHECK(error_of(too_large) == errc::message_too_large);
  CHECK(c.left.try_send("hello", parley::tag_count) == send_result::unfit);
  c.left.finish();
  CHECK(c.left.try_send("hello") == send_result::closed);
  auto late = launch(c.context, send(c.left, "hello"));
  c.settle();
  CHECK(error_of(late) == errc::closed);
  CHECK(c.left.statistics().messages_sent == 0);
}

TEST_CASE("a message is delivered when the other program comes back for the next") {
  conversation c;
  const auto r = run_virtually(c.context, send(c.left, "one"));
  auto delivered = launch(c.context, c.left.delivered(r));
  CHECK(run_virtually(c.context, receive(c.right)) == "one");
  c.advance(1s);
  CHECK_FALSE(delivered.done());
  CHECK_FALSE(c.right.try_receive());
  c.advance(1s);
  REQUIRE(delivered.done());
  CHECK(delivered.get());
}

TEST_CASE("delivered is false where the conversation ends before") {
  conversation c;
  const auto r = run_virtually(c.context, send(c.left, "one"));
  auto delivered = launch(c.context, c.left.delivered(r));
  auto beyond = launch(c.context, c.left.delivered_beyond(0));
  c.settle();
  c.right.abort();
  c.settle();
  REQUIRE(delivered.done());
  CHECK_FALSE(delivered.get());
  CHECK(beyond.done());
}

// --- the end -------------------------------------------------------------------------------------

TEST_CASE("close says how many messages the peer's program is not known to be done with") {
  conversation c;
  for (int i = 0; i < 3; ++i) REQUIRE(c.left.try_send(text("left", i)) == send_result::queued);
  CHECK(run_virtually(c.context, receive(c.right)) == "left 0");
  CHECK(run_virtually(c.context, receive(c.right)) == "left 1");  // and 0 is done with
  const auto since = manual_clock::now();
  CHECK(run_virtually(c.context, c.left.close(2s)) == 2);
  CHECK(manual_clock::now() - since == 2s);
  CHECK(c.left.reason() == errc::aborted);
}

TEST_CASE("close returns at once when the peer is gone") {
  conversation c;
  REQUIRE(c.left.try_send("one") == send_result::queued);
  c.settle();
  c.right.abort();
  c.settle();
  const auto since = manual_clock::now();
  CHECK(run_virtually(c.context, c.left.close()) == 1);
  CHECK(manual_clock::now() == since);
  CHECK(c.left.reason() == errc::disconnected);
}

TEST_CASE("both sides may close at once") {
  conversation c;
  auto left = launch(c.context, c.left.close());
  auto right = launch(c.context, c.right.close());
  const auto since = manual_clock::now();
  const auto limit = since + 1h;
  while (!(left.done() && right.done()) && manual_clock::step(c.context, limit)) {
  }
  CHECK(left.get() == 0);
  CHECK(right.get() == 0);
  CHECK_FALSE(c.left.reason());
  CHECK_FALSE(c.right.reason());
  CHECK(manual_clock::now() == since);  // nobody waits for a timeout
}

TEST_CASE("an ended conversation still hands out what had arrived, then why it ended") {
  conversation c;
  for (int i = 0; i < 3; ++i) REQUIRE(c.left.try_send(text("left", i)) == send_result::queued);
  c.settle();
  c.left.abort();
  c.settle();
  REQUIRE(c.right.ended());
  for (int i = 0; i < 3; ++i) CHECK(run_virtually(c.context, receive(c.right)) == text("left", i));
  auto last = launch(c.context, receive(c.right));
  c.settle();
  CHECK(error_of(last) == errc::disconnected);
  CHECK(c.right.try_send("late") == send_result::closed);
}

TEST_CASE("after both goodbyes receive says so again and again") {
  conversation c;
  c.left.finish();
  c.right.finish();
  for (int i = 0; i < 3; ++i) {
    CHECK(run_virtually(c.context, receive(c.left)) == "goodbye");
    CHECK(run_virtually(c.context, receive(c.right)) == "goodbye");
  }
  c.advance(2s);
  CHECK(c.left.ended());
  CHECK_FALSE(c.left.reason());
  CHECK(c.left.at_end());
}

TEST_CASE("abort ends at once, for the other side it is a lost connection") {
  conversation c;
  auto left = launch(c.context, receive(c.left));
  auto right = launch(c.context, receive(c.right));
  c.settle();
  c.left.abort();
  CHECK(c.left.ended());
  c.left.abort();  // once more changes nothing
  c.settle();
  CHECK(error_of(left) == errc::aborted);
  CHECK(error_of(right) == errc::disconnected);
}

TEST_CASE("a handle that is dropped aborts its conversation, a moved one does not") {
  conversation c;
  peer moved = std::move(c.left);
  CHECK_FALSE(c.left);
  REQUIRE(moved);
  c.settle();
  CHECK_FALSE(c.right.ended());
  moved = peer();
  c.settle();
  CHECK(c.right.ended());
  CHECK(c.right.reason() == errc::disconnected);
}

TEST_CASE("an empty handle can be dropped and assigned to") {
  peer none;
  CHECK_FALSE(none);
  none = peer();
  CHECK_FALSE(none);
}

namespace {

asio::awaitable<void> receive_and_drop(std::optional<peer>& p, bool& dropped) {
  (void)co_await p->receive();
  p.reset();
  dropped = true;
}

}  // namespace

TEST_CASE("a program may drop its peer from where a message resumed it") {
  conversation c;
  std::optional<peer> mine(std::move(c.right));
  bool dropped = false;
  auto receiving = launch(c.context, receive_and_drop(mine, dropped));
  c.settle();
  (void)c.left.try_send("one");
  (void)c.left.try_send("two");
  c.settle();
  CHECK(dropped);
  CHECK(receiving.done());
  CHECK(c.left.ended());
}

namespace {

asio::awaitable<void> own_and_receive(peer p) { (void)co_await p.receive(); }
asio::awaitable<void> own_and_close(peer p) { (void)co_await p.close(); }

}  // namespace

TEST_CASE("a peer may be replaced while coroutines wait in it") {
  conversation c(small_options(), small_options());
  const std::string body(100, 'x');
  while (c.left.try_send(body) == send_result::queued) {
  }
  auto sending = launch(c.context, send(c.left, body));
  auto delivered = launch(c.context, c.left.delivered(parley::receipt{0}));
  auto receiving = launch(c.context, receive(c.left));
  c.settle();
  c.left = peer();
  c.settle();
  CHECK(error_of(sending) == errc::aborted);
  CHECK(error_of(receiving) == errc::aborted);
  CHECK_FALSE(delivered.get());
}

TEST_CASE("a peer may be replaced while it is being closed") {
  conversation c;
  REQUIRE(c.left.try_send("nobody takes it") == send_result::queued);
  auto closing = launch(c.context, c.left.close());
  c.settle();
  REQUIRE_FALSE(closing.done());
  c.left = peer();
  c.settle();
  REQUIRE(closing.done());
  CHECK(closing.get() == 1);
}

TEST_CASE("a context that goes takes along the coroutines that wait, and the peers that they own") {
  conversation waiting;
  auto left = launch(waiting.context, own_and_receive(std::move(waiting.left)));
  auto right = launch(waiting.context, receive(waiting.right));
  conversation ending;
  REQUIRE(ending.left.try_send("nobody takes it") == send_result::queued);
  auto closing = launch(ending.context, own_and_close(std::move(ending.left)));
  waiting.settle();
  ending.settle();
  CHECK_FALSE(left.done());
  CHECK_FALSE(right.done());
  CHECK_FALSE(closing.done());
}

// --- what the program is told --------------------------------------------------------------------

namespace {

options logging(std::vector<std::string>& said, std::string name) {
  options o;
  o.name = name;
  o.on_event = [&said](const event& e) {
    static constexpr std::array names{"connecting", "connected", "rejected", "turned away",
                                      "lost",       "failed",    "resumed",  "ended"};
    std::string line = names.at(static_cast<std::size_t>(e.what));
    if (!e.detail.empty()) line += " " + std::string(e.detail);
    if (e.reason) line += ": " + e.reason.message();
    said.push_back(line + " #" + std::to_string(e.attempt));
  };
  return o;
}

}  // namespace

TEST_CASE("events come in order, with the peer's name and the reason") {
  std::vector<std::string> left_said;
  std::vector<std::string> right_said;
  using lines = std::vector<std::string>;
  {
    conversation c(logging(left_said, "ann"), logging(right_said, "bob"));
    CHECK(left_said == lines{"connecting #1", "connected bob #1"});
    CHECK(right_said == lines{"connected ann #1"});
    SECTION("goodbye") {
      auto right = launch(c.context, c.right.close());
      CHECK(run_virtually(c.context, c.left.close()) == 0);
      c.settle();
      CHECK(left_said.back() == "ended #1");
      CHECK(right_said.back() == "ended #1");
    }
    SECTION("abort") {
      c.left.abort();
      c.settle();
      CHECK(left_said.back() == "ended: " + make_error_code(errc::aborted).message() + " #1");
      CHECK(right_said.back() == "ended: " + make_error_code(errc::disconnected).message() + " #1");
    }
  }
  CHECK(left_said.size() == 3);
  CHECK(right_said.size() == 2);
}

TEST_CASE("a conversation that never began does not end") {
  std::vector<std::string> said;
  asio::io_context context;
  auto [l, r] = make_pipe(context.get_executor());
  auto dialing = launch(context, dial_over(std::move(l), logging(said, "ann")));
  std::error_code ec;
  r.close(ec);
  manual_clock::settle(context);
  CHECK(error_of(dialing) == errc::no_greeting);
  CHECK(said == std::vector<std::string>{"connecting #1"});
}

// --- how much it writes --------------------------------------------------------------------------

TEST_CASE("a thousand messages queued before a wait leave in a few writes") {
  conversation c;
  const auto before = c.left_end->writes;
  for (int i = 0; i < 1000; ++i)
    REQUIRE(c.left.try_send("sixteen bytes ..") == send_result::queued);
  CHECK_FALSE(c.left.try_receive());
  c.settle();
  CHECK(c.left_end->writes - before <= 2);
  int received = 0;
  while (c.right.try_receive()) ++received;
  CHECK(received == 1000);
}

}  // namespace conversation_test
