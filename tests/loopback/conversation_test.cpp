#include <parley/peer.hpp>

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/loopback.hpp"
#include "support/manual_clock.hpp"
#include "support/run.hpp"

namespace conversation_test {

namespace {

using namespace std::chrono_literals;
using parley::errc;
using parley::options;
using parley::peer;
using parley::test::launch;
using parley::test::manual_clock;
using parley::test::run_until;
using parley::test::served;
using parley::test::socket_pair;
using parley::test::started;
using parley::test::transport;

// --- traffic -------------------------------------------------------------------------------------

/// Messages of all sizes, each made from its number alone, so both sides know what must come.
class traffic {
 public:
  explicit traffic(std::uint32_t seed, std::size_t largest) : seed_(seed), noise_(largest, '\0') {
    std::mt19937 random(seed);
    for (char& c : noise_) c = static_cast<char>(random());
  }

  [[nodiscard]] std::string_view operator[](std::uint64_t i) const {
    std::minstd_rand random(static_cast<std::uint32_t>(i * 2 + 1) ^ seed_);
    random.discard(2);
    const auto kind = random() % 1000;
    // Mostly a line of chat, some pages, now and then more than a chunk or nothing at all.
    std::size_t most = 200;
    if (kind < 100) most = 4000;
    if (kind == 0) most = noise_.size();
    const std::size_t size = random() % (std::min(most, noise_.size()) + 1);
    return std::string_view(noise_).substr(random() % (noise_.size() - size + 1), size);
  }

  [[nodiscard]] static parley::tag_type tag(std::uint64_t i) {
    return static_cast<parley::tag_type>(i % parley::tag_count);
  }

 private:
  std::uint32_t seed_;
  std::string noise_;
};

asio::awaitable<void> send_all(peer& p, const traffic& t, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto r = co_await p.send(t[i], traffic::tag(i));
    if (r.sequence != i) throw std::runtime_error("a receipt with a wrong number");
  }
  p.finish();
}

asio::awaitable<void> receive_all(peer& p, const traffic& t, std::uint64_t count) {
  std::uint64_t i = 0;
  for (;;) {
    const auto m = co_await p.receive();
    if (!m) break;
    if (m->sequence != i || m->tag != traffic::tag(i) || m->body != t[i])
      throw std::runtime_error("message " + std::to_string(i) + " is not what was sent");
    ++i;
  }
  if (i != count) throw std::runtime_error("only " + std::to_string(i) + " messages came");
}

void talk_both_ways(socket_pair<>& pair, std::uint64_t count, std::size_t largest) {
  const traffic there(1, largest);
  const traffic back(2, largest);
  pair.run(send_all(pair.left, there, count), receive_all(pair.right, there, count),
           send_all(pair.right, back, count), receive_all(pair.left, back, count));
  pair.run_until([&] { return pair.left.ended() && pair.right.ended(); });
  CHECK_FALSE(pair.left.reason());
  CHECK_FALSE(pair.right.reason());
  for (const peer* p : {&pair.left, &pair.right}) {
    CHECK(p->statistics().messages_sent == count);
    CHECK(p->statistics().messages_received == count);
    CHECK(p->statistics().unacknowledged == 0);
    CHECK(p->delivered_count() == count);
  }
}

}  // namespace

TEST_CASE("200,000 messages of all sizes arrive both ways at once, each byte as it was sent") {
  socket_pair<> pair(transport::ipv4);
  talk_both_ways(pair, 200'000, std::size_t{1} << 17);
}

TEST_CASE("messages arrive over IPv6 and Unix sockets, the largest included") {
  socket_pair<> pair(GENERATE(transport::ipv6, transport::unix_socket));
  talk_both_ways(pair, 20'000, options().max_message);
}

TEST_CASE("messages arrive through windows and outboxes that hold hardly more than one") {
  options tight;
  tight.max_message = 5000;
  tight.window = tight.outbox = 5012;
  options wide;
  const bool left_is_tight = GENERATE(true, false);
  socket_pair<> pair(transport::unix_socket, left_is_tight ? tight : wide, tight);
  talk_both_ways(pair, 2000, tight.max_message);
}

TEST_CASE("an empty message is a message, and an embedded nul or line feed is nothing special") {
  socket_pair<> pair(transport::ipv4);
  using namespace std::string_view_literals;
  for (const auto body : {""sv, "\0"sv, "a\nb\0c"sv}) {
    (void)pair.left.try_send(body, 63);
    const auto m = pair.run(pair.right.receive());
    REQUIRE(m);
    CHECK(m->body == body);
    CHECK(m->tag == 63);
  }
}

TEST_CASE("each side knows the other's name and address") {
  options ann;
  ann.name = "ann";
  options bob;
  bob.name =
      "b\xc3\xb6"
      "b";
  socket_pair<> pair(transport::ipv4, ann, bob);
  CHECK(pair.left.name() == bob.name);
  CHECK(pair.right.name() == ann.name);
  CHECK(pair.left.address() == "127.0.0.1:" + std::to_string(pair.server.port()));
  CHECK(pair.right.address().starts_with("127.0.0.1:"));
}

namespace {

asio::awaitable<std::uint64_t> close_by_deadline(peer& p, std::chrono::milliseconds patience) {
  const auto undelivered = co_await p.close(patience);
  co_return undelivered;
}

}  // namespace

TEST_CASE("a peer that goes without a goodbye has ended the conversation at once") {
  socket_pair<> pair(GENERATE(transport::ipv4, transport::unix_socket));
  auto waiting = launch(pair.context, pair.left.receive());
  pair.right = peer();
  pair.run_until([&] { return waiting.done(); });
  try {
    (void)waiting.get();
    FAIL("nothing was thrown");
  } catch (const std::system_error& e) {
    CHECK(e.code() == errc::ended_by_peer);
  }
  CHECK(pair.run(close_by_deadline(pair.left, 10s)) == 0);
}

TEST_CASE("closing with messages on the way says how many the other side never took") {
  socket_pair<> pair(transport::ipv4);
  constexpr std::uint64_t count = 1000;
  for (std::uint64_t i = 0; i < count; ++i) (void)pair.left.try_send("nobody will look");
  CHECK(pair.run(close_by_deadline(pair.left, 10ms)) == count);
  CHECK(pair.left.reason() == errc::aborted);
}

// --- threads -------------------------------------------------------------------------------------

namespace {

asio::awaitable<void> talk_to_itself(parley::listener& l, const traffic& t, std::uint64_t count) {
  using namespace asio::experimental::awaitable_operators;
  const std::string port = std::to_string(parley::port_of(l.endpoints().front()));
  auto dialing = parley::dial("127.0.0.1", port);
  auto both = co_await (std::move(dialing) && l.accept());
  auto& [left, right] = both;
  co_await (send_all(left, t, count) && receive_all(right, t, count) && send_all(right, t, count) &&
            receive_all(left, t, count));
}

}  // namespace

TEST_CASE("conversations on strands of their own may share a context that several threads run") {
  constexpr std::size_t rooms = 16;
  asio::io_context context;
  const traffic t(3, 10'000);
  std::vector<std::unique_ptr<parley::listener>> listeners;
  std::vector<std::exception_ptr> thrown(rooms);
  std::atomic<std::size_t> ended = 0;
  for (std::size_t i = 0; i < rooms; ++i) {
    const asio::any_io_executor strand = asio::make_strand(context);
    auto& l = *listeners.emplace_back(std::make_unique<parley::listener>(strand));
    l.listen("127.0.0.1", 0);
    asio::co_spawn(strand, talk_to_itself(l, t, 300), [&, i](std::exception_ptr e) {
      thrown[i] = std::move(e);
      listeners[i]->close();  // so that the context runs dry
      ++ended;
    });
  }
  std::vector<std::thread> threads(3);
  for (auto& thread : threads)
    thread = std::thread([&] { context.run_for(parley::test::patience); });
  for (auto& thread : threads) thread.join();
  CHECK(ended == rooms);
  for (const auto& e : thrown) CHECK_FALSE(e);
}

// --- cancelled at random moments -----------------------------------------------------------------

namespace {

/// Does something after some more turns of the executor.
template <typename Then>
void after(const asio::any_io_executor& e, unsigned turns, Then then) {
  if (turns == 0) return then();
  asio::post(
      e, [e, turns, then = std::move(then)]() mutable { after(e, turns - 1, std::move(then)); });
}

/// Does work again and again, each time cancelled after a random time, until told that it is over.
/// Unlike `||` it always learns whether the work was done, also when both happen at once.
class interrupter {
 public:
  interrupter(asio::any_io_executor e, std::uint32_t seed)
      : executor_(std::move(e)), random_(seed) {}

  /// `make()` gives the work, `on_done(result)` is told of it and says whether there is more.
  template <typename Make, typename OnDone>
  void repeat(Make make, OnDone on_done) {
    const auto signal = std::make_shared<asio::cancellation_signal>();
    const auto ended = [this, make, on_done, signal](const std::exception_ptr& e, auto result) {
      if (e && !was_cancelled(e)) std::rethrow_exception(e);
      if (e) ++cancelled_;
      if (e || on_done(result))
        after(executor_, up_to(most_idle), [this, make, on_done] { repeat(make, on_done); });
    };
    asio::co_spawn(executor_, make(), asio::bind_cancellation_slot(signal->slot(), ended));
    after(executor_, up_to(6), [signal] { signal->emit(asio::cancellation_type::all); });
  }

  [[nodiscard]] int cancelled() const noexcept { return cancelled_; }

  unsigned most_idle = 1;  ///< turns between one work and the next, so that others wait for this

 private:
  [[nodiscard]] unsigned up_to(unsigned most) {
    return static_cast<unsigned>(random_()) % (most + 1);
  }

  static bool was_cancelled(const std::exception_ptr& e) {
    try {
      std::rethrow_exception(e);
    } catch (const std::system_error& error) {
      return error.code() == asio::error::operation_aborted;
    } catch (...) {
      return false;
    }
  }

  asio::any_io_executor executor_;
  std::minstd_rand random_;
  int cancelled_ = 0;
};

}  // namespace

TEST_CASE("receive and send cancelled 10,000 times lose nothing, double nothing, keep the order") {
  constexpr std::uint32_t seed = 20'240'607;
  constexpr int enough = 10'000;
  options tight;  // so that send waits nearly always
  tight.max_message = 1000;
  tight.window = tight.outbox = 3000;
  socket_pair<> pair(transport::unix_socket, tight, tight);
  const traffic t(seed, tight.max_message);
  const auto executor = pair.context.get_executor();
  interrupter sending(executor, seed);
  interrupter receiving(executor, seed + 1);

  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  bool over = false;
  std::string wrong;
  sending.repeat([&] { return pair.left.send(t[sent]); },
                 [&](parley::receipt r) {
                   if (r.sequence != sent) wrong = "receipt of " + std::to_string(sent);
                   ++sent;
                   // By turns one side is slower, so that the other one waits.
                   (sent / 64 % 2 == 0 ? sending : receiving).most_idle = 40;
                   (sent / 64 % 2 == 0 ? receiving : sending).most_idle = 1;
                   const bool enough_of_it =
                       sending.cancelled() >= enough && receiving.cancelled() >= enough;
                   if (enough_of_it) pair.left.finish();
                   return !enough_of_it;
                 });
  receiving.repeat([&] { return pair.right.receive(); },
                   [&](std::optional<parley::message> m) {
                     over = !m;
                     if (over) return false;
                     if (m->sequence != received || m->body != t[received])
                       wrong = "message " + std::to_string(received);
                     ++received;
                     return true;
                   });
  run_until(pair.context, [&] { return over || !wrong.empty(); });
  CHECK(wrong.empty());
  CHECK(received == sent);
  CHECK(sending.cancelled() >= enough);
  CHECK(receiving.cancelled() >= enough);
  pair.run_until([&] { return pair.left.delivered_count() == sent; });
}

// --- many at once --------------------------------------------------------------------------------

namespace {

constexpr int conversations = 1000;
using virtual_peer = parley::basic_peer<parley::any_socket, parley::session, manual_clock>;

asio::awaitable<void> exchange(virtual_peer& p, int number, int turns) {
  for (int i = 0; i < turns; ++i) {
    const std::string question = std::to_string(number) + " asks " + std::to_string(i);
    co_await p.send(question);
    const auto m = co_await p.receive();
    if (!m || m->body != "you said " + question) throw std::runtime_error("a wrong answer");
  }
  if (p.try_receive()) throw std::runtime_error("an answer too many");
}

asio::awaitable<void> converse(const served<parley::session, manual_clock>& server, int number,
                               virtual_peer& keep) {
  keep = co_await server.dial();
  co_await exchange(keep, number, 5);
}

asio::awaitable<void> echo(virtual_peer& p) {
  for (;;) {
    const auto m = co_await p.receive();
    if (!m) break;
    const std::string answer = "you said " + std::string(m->body);
    co_await p.send(answer);
  }
  const auto undelivered = co_await p.close();
  if (undelivered != 0) throw std::runtime_error("an answer was not delivered");
}

asio::awaitable<void> accept_all(parley::basic_listener<parley::session, manual_clock>& from,
                                 asio::io_context& context, std::vector<virtual_peer>& peers,
                                 std::vector<started<void>>& echoes) {
  for (auto& p : peers) {
    p = co_await from.accept();
    echoes.push_back(launch(context, echo(p)));
  }
}

asio::awaitable<void> close(virtual_peer& p) {
  p.finish();
  const auto m = co_await p.receive();
  if (m) throw std::runtime_error("a message that nobody sent");
  const auto undelivered = co_await p.close();
  if (undelivered != 0) throw std::runtime_error("a question was not delivered");
}

/// Bytes of this process that are in memory.
std::int64_t resident() {
  ::malloc_trim(0);  // what is free counts as free
  std::int64_t total = 0;
  std::int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> total >> pages;
  return pages * ::sysconf(_SC_PAGESIZE);
}

std::size_t held(const std::vector<virtual_peer>& peers) {
  std::size_t bytes = 0;
  for (const auto& p : peers) bytes += p.statistics().memory;
  return bytes;
}

/// Raises the limit on open files, or skips the test.
void require_descriptors(rlim_t count) {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  if (limit.rlim_cur >= count) return;
  limit.rlim_cur = std::min(count, limit.rlim_max);
  if (limit.rlim_max < count || ::setrlimit(RLIMIT_NOFILE, &limit) != 0)
    SKIP("this machine allows " << limit.rlim_max << " open files, the test needs " << count);
}

template <typename All>
bool done(const All& all) {
  for (const auto& one : all)
    if (!one.done()) return false;
  return true;
}

}  // namespace

TEST_CASE("1,000 conversations in one process on one thread are all correct, and small when idle") {
  require_descriptors(2 * conversations + 100);
  asio::io_context context;
  std::vector<virtual_peer> left(conversations);
  std::vector<virtual_peer> right(conversations);
  std::vector<started<void>> echoes;
  std::vector<started<void>> questions;
  served<parley::session, manual_clock> server(context, transport::ipv4);
  const auto before = resident();

  auto accepting = launch(context, accept_all(server.listener, context, right, echoes));
  for (int i = 0; i < conversations; ++i)
    questions.push_back(launch(context, converse(server, i, left[static_cast<std::size_t>(i)])));
  run_until(context, [&] { return done(questions) && accepting.done(); });
  accepting.get();
  for (auto& q : questions) q.get();
  const auto busy = resident();
  const auto busy_held = held(left) + held(right);

  // Silence, until each side has pinged and been answered.
  for (int i = 0; i < 3; ++i) manual_clock::advance(context, options().heartbeat);
  run_until(context, [&] { return held(left) + held(right) == 0; }, 5s);
  const auto idle = resident();
  const auto idle_held = held(left) + held(right);
  const auto each = [](auto bytes) { return bytes / (2 * conversations); };
  std::cout << "memory of one side of a conversation, bytes: just after a message "
            << each(busy - before) << " (" << each(busy_held) << " in boxes), idle "
            << each(idle - before) << " (" << each(idle_held) << " in boxes)\n";
  CHECK(each(idle_held) <= 2 * parley::protocol::chunk_size);

  std::vector<started<void>> closing;
  for (auto& p : left) closing.push_back(launch(context, close(p)));
  run_until(context, [&] { return done(closing) && done(echoes); });
  for (auto& c : closing) c.get();
  for (auto& e : echoes) e.get();
}

}  // namespace conversation_test
