#include <parley/detail/wakeup.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/run.hpp"

namespace wakeup_test {

namespace {

using namespace asio::experimental::awaitable_operators;
using parley::detail::wakeup;
using parley::test::launch;
using parley::test::run;
using parley::test::run_until;

using entries = std::vector<std::string>;

asio::awaitable<void> wait_once(wakeup& w, entries& said, std::string name) {
  co_await w.wait();
  said.push_back(name);
}

asio::awaitable<void> wait_for(wakeup& w, const bool& state, int& looked) {
  while (!state) {
    ++looked;
    co_await w.wait();
  }
}

// What is held by a coroutine's frame goes when the frame goes.
asio::awaitable<void> wait_holding(wakeup& w, std::shared_ptr<int> held) {
  for (;;) {
    co_await w.wait();
    ++*held;
  }
}

asio::awaitable<void> wait_and_throw(wakeup& w) {
  co_await w.wait();
  throw std::runtime_error("the program's own affair");
}

void ignore_result(std::exception_ptr) {}

}  // namespace

TEST_CASE("a notify before the wait is not lost to who looks at the state first") {
  asio::io_context context;
  wakeup w(context.get_executor());
  bool state = true;
  int looked = 0;
  w.notify();
  run(context, wait_for(w, state, looked));
  CHECK(looked == 0);
}

TEST_CASE("who wakes for nothing waits on") {
  asio::io_context context;
  wakeup w(context.get_executor());
  bool state = false;
  int looked = 0;
  auto waiting = launch(context, wait_for(w, state, looked));
  run_until(context, [&] { return w.awaited(); });
  w.notify();
  CHECK(looked == 2);
  CHECK(w.awaited());
  state = true;
  w.notify();
  CHECK_FALSE(w.awaited());
  run_until(context, [&] { return waiting.done(); });
}

TEST_CASE("notify resumes all that wait, in their order, before it returns") {
  asio::io_context context;
  wakeup w(context.get_executor());
  entries said;
  auto first = launch(context, wait_once(w, said, "first"));
  auto second = launch(context, wait_once(w, said, "second"));
  auto third = launch(context, wait_once(w, said, "third"));
  context.poll();
  REQUIRE(said.empty());
  w.notify();
  CHECK(said == entries{"first", "second", "third"});
  w.notify();  // nobody is left
  CHECK(said.size() == 3);
  run_until(context, [&] { return first.done() && second.done() && third.done(); });
}

TEST_CASE("who waits again inside a notify waits for the next one") {
  asio::io_context context;
  wakeup w(context.get_executor());
  const auto rounds = std::make_shared<int>(0);
  auto waiting = launch(context, wait_holding(w, rounds));
  context.poll();
  w.notify();
  CHECK(*rounds == 1);
  w.notify();
  CHECK(*rounds == 2);
}

TEST_CASE("a waiter cancelled by a signal throws, and the others notice nothing") {
  asio::io_context context;
  wakeup w(context.get_executor());
  entries said;
  asio::cancellation_signal signal;
  std::exception_ptr thrown;
  auto first = launch(context, wait_once(w, said, "first"));
  asio::co_spawn(
      context, wait_once(w, said, "cancelled"),
      asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) { thrown = e; }));
  auto third = launch(context, wait_once(w, said, "third"));
  context.poll();

  signal.emit(asio::cancellation_type::all);
  CHECK_FALSE(thrown);  // not resumed in line, by the signal itself
  run_until(context, [&] { return thrown != nullptr; });
  try {
    std::rethrow_exception(thrown);
  } catch (const std::system_error& e) {
    CHECK(e.code() == asio::error::operation_aborted);
  }
  CHECK(said.empty());
  w.notify();
  CHECK(said == entries{"first", "third"});
}

TEST_CASE("a waiter cancelled and notified at once is resumed once") {
  asio::io_context context;
  wakeup w(context.get_executor());
  entries said;
  asio::cancellation_signal signal;
  int ends = 0;
  asio::co_spawn(context, wait_once(w, said, "both"),
                 asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr) { ++ends; }));
  context.poll();

  SECTION("cancelled first") {
    signal.emit(asio::cancellation_type::all);
    w.notify();
    CHECK(said.empty());
  }
  SECTION("notified first") {
    w.notify();
    signal.emit(asio::cancellation_type::all);  // what it waited with is gone by now
    CHECK(said == entries{"both"});
  }
  run_until(context, [&] { return ends == 1; });
  context.poll();
  CHECK(ends == 1);
}

namespace {

asio::awaitable<void> wait_and_go_on(wakeup& w, entries& said) {
  co_await wait_once(w, said, "resumed");
  co_await asio::post(asio::use_awaitable);  // does not ask whether it is cancelled
  said.emplace_back("went on");
}

}  // namespace

TEST_CASE("a signal after the wait finds nothing of it left") {
  asio::io_context context;
  wakeup w(context.get_executor());
  entries said;
  asio::cancellation_signal signal;
  asio::co_spawn(context, wait_and_go_on(w, said),
                 asio::bind_cancellation_slot(signal.slot(), ignore_result));
  context.poll();
  w.notify();
  signal.emit(asio::cancellation_type::all);
  context.poll();
  CHECK(said == entries{"resumed", "went on"});
}

namespace {

asio::awaitable<void> wait_for_either(wakeup& a, wakeup& b, std::size_t& which) {
  const auto first = co_await (a.wait() || b.wait());
  which = first.index();
}

}  // namespace

TEST_CASE("the loser of a race between two wakeups waits no more") {
  asio::io_context context;
  wakeup a(context.get_executor());
  wakeup b(context.get_executor());
  entries said;
  std::size_t which = 2;
  auto race = launch(context, wait_for_either(a, b, which));
  auto bystander = launch(context, wait_once(a, said, "bystander"));
  context.poll();
  b.notify();
  run_until(context, [&] { return race.done(); });
  CHECK(which == 1);
  CHECK(said.empty());
  a.notify();
  CHECK(said == entries{"bystander"});
  CHECK_FALSE(a.awaited());
}

namespace {

struct owner {
  explicit owner(const asio::any_io_executor& e) : changed(e) {}
  wakeup changed;
};

asio::awaitable<void> wait_owning(std::shared_ptr<owner> o, std::shared_ptr<int> held) {
  co_await wait_holding(o->changed, std::move(held));
}

asio::awaitable<void> wait_and_destroy(std::unique_ptr<owner>& o, entries& said) {
  co_await o->changed.wait();
  o.reset();
  said.emplace_back("destroyed");
}

}  // namespace

TEST_CASE("a resumed coroutine may destroy the wakeup's owner, and those behind it still wake") {
  asio::io_context context;
  auto o = std::make_unique<owner>(context.get_executor());
  entries said;
  auto before = launch(context, wait_once(o->changed, said, "before"));
  auto destroyer = launch(context, wait_and_destroy(o, said));
  auto after = launch(context, wait_once(o->changed, said, "after"));
  context.poll();
  o->changed.notify();
  CHECK(said == entries{"before", "destroyed", "after"});
  run_until(context, [&] { return before.done() && destroyer.done() && after.done(); });
}

TEST_CASE("a wakeup that is destroyed destroys who waits") {
  asio::io_context context;
  const auto held = std::make_shared<int>(0);
  {
    wakeup w(context.get_executor());
    asio::co_spawn(context, wait_holding(w, held), ignore_result);
    context.poll();
    REQUIRE(held.use_count() == 2);
  }
  context.poll();
  CHECK(held.use_count() == 1);
  CHECK(*held == 0);
}

TEST_CASE("a context that is destroyed destroys who waits, and what they hold") {
  const auto held = std::make_shared<int>(0);
  {
    asio::io_context context;
    // Owned by the coroutines that wait on it, as a peer is: nobody else would ever free it.
    auto o = std::make_shared<owner>(context.get_executor());
    asio::co_spawn(context, wait_owning(o, held), ignore_result);
    asio::co_spawn(context, wait_owning(o, held), ignore_result);
    context.poll();
    REQUIRE(o->changed.awaited());
    REQUIRE(held.use_count() == 3);
    o.reset();
  }
  CHECK(held.use_count() == 1);
  CHECK(*held == 0);
}

TEST_CASE("what a resumed coroutine throws leaves through the context, not through notify") {
  asio::io_context context;
  wakeup w(context.get_executor());
  entries said;
  asio::co_spawn(context, wait_and_throw(w), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  auto behind = launch(context, wait_once(w, said, "behind"));
  context.poll();
  CHECK_NOTHROW(w.notify());
  CHECK(said == entries{"behind"});
  context.restart();
  CHECK_THROWS_AS(context.run(), std::runtime_error);
}

}  // namespace wakeup_test
