// One listener for each core behind one door. The code of docs/all-cores.md is compiled here.

#include <sys/socket.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <parley/parley.hpp>

#include "support/run.hpp"

namespace all_cores_test {

namespace {

asio::awaitable<void> converse(parley::peer peer);

void rethrow(std::exception_ptr thrown) {
  if (thrown) std::rethrow_exception(thrown);
}

// Of the guide: from here ...
/// An event loop for one thread, and the listener that lives on it.
struct core {
  asio::io_context io{1};
  parley::listener listener{io.get_executor()};
};

asio::awaitable<void> serve(parley::listener& listener) {
  for (;;) {
    parley::peer peer = co_await listener.accept();
    auto executor = peer.get_executor();
    asio::co_spawn(executor, converse(std::move(peer)), rethrow);
  }
}

void listen_on_all(std::deque<core>& cores, const std::string& address, unsigned short port) {
  parley::listener& door = cores.front().listener;
  for (core& c : cores) {
    if (&c != &cores.front()) door.share_with(c.listener);
    asio::co_spawn(c.io, serve(c.listener), rethrow);
  }
  door.listen(address, port);
}

void run_all(std::deque<core>& cores) {
  std::vector<std::jthread> threads;  // joined at the end of this block
  for (core& c : cores) threads.emplace_back([&c] { c.io.run(); });
}
// ... to here.

using parley::any_socket;
using parley::options;
using parley::peer;
using parley::test::launch;
using parley::test::run;
using parley::test::run_until;

constexpr std::size_t threads = 3;
constexpr std::size_t conversations =
    32;  // that one thread gets none of them: once in 400,000 runs

/// Answers each message with the thread that has it and what it has had before.
asio::awaitable<void> converse(peer p) {
  const std::string here = std::to_string(std::hash<std::thread::id>()(std::this_thread::get_id()));
  std::string heard;
  while (const auto m = co_await p.receive()) {
    heard += m->body;
    co_await p.send(here + " " + heard);
  }
  co_await p.close();
}

/// The cores of the guide, on threads of their own until the object goes.
class running_cores {
 public:
  running_cores() {
    listen_on_all(cores_, "127.0.0.1", 0);
    port_ = std::to_string(parley::port_of(cores_.front().listener.endpoints().front()));
    runner_ = std::thread([this] { run_all(cores_); });
  }
  running_cores(const running_cores&) = delete;
  running_cores& operator=(const running_cores&) = delete;
  ~running_cores() {
    for (core& c : cores_) c.io.stop();
    runner_.join();
  }

  [[nodiscard]] const std::string& port() const { return port_; }

 private:
  std::deque<core> cores_ = std::deque<core>(threads);
  std::string port_;
  std::thread runner_;
};

/// Connects as `tcp_connector` does, and can cut what it has connected last.
class cuttable {
 public:
  explicit cuttable(std::string port) : to_{"127.0.0.1", std::move(port)} {}

  asio::awaitable<any_socket> operator()() const { return connect(to_, last_); }
  void cut() const { ::shutdown(*last_, SHUT_RDWR); }

 private:
  static asio::awaitable<any_socket> connect(parley::tcp_connector to, std::shared_ptr<int> last) {
    auto s = co_await to();
    *last = s.native_handle();
    co_return s;
  }

  parley::tcp_connector to_;
  std::shared_ptr<int> last_ = std::make_shared<int>(-1);
};

/// A dialer's side: how it reaches its listener, and what it was answered.
struct dialer {
  explicit dialer(const std::string& port) : way(port) {}
  cuttable way;
  peer side;
  std::string thread;
};

/// Says a word and returns the answer's two: the thread, and all that was ever said there.
asio::awaitable<std::array<std::string, 2>> say(peer& p, std::string word) {
  co_await p.send(word);
  const auto answer = co_await p.receive();
  const auto space = answer->body.find(' ');
  std::array<std::string, 2> words{std::string(answer->body.substr(0, space)),
                                   std::string(answer->body.substr(space + 1))};
  co_return words;
}

options hasty() {
  options o;
  o.retry_most = std::chrono::milliseconds(10);
  return o;
}

asio::awaitable<void> begin(dialer& d) {
  d.side = co_await parley::dial(d.way, hasty());
  const auto answer = co_await say(d.side, "one");
  d.thread = answer[0];
  CHECK(answer[1] == "one");
}

asio::awaitable<void> come_back(dialer& d) {
  d.way.cut();
  const auto answer = co_await say(d.side, "two");
  CHECK(answer[0] == d.thread);
  CHECK(answer[1] == "onetwo");
  CHECK(d.side.statistics().connections == 2);
  co_await d.side.close();
  CHECK_FALSE(d.side.reason());
}

}  // namespace

TEST_CASE("callers are spread over all cores, and come back to the one that knows them") {
  const running_cores cores;
  asio::io_context context;
  std::deque<dialer> dialers;
  std::map<std::string, int> by_thread;
  for (std::size_t i = 0; i < conversations; ++i) {
    dialers.emplace_back(cores.port());
    run(context, begin(dialers.back()));
    ++by_thread[dialers.back().thread];
  }
  CHECK(by_thread.size() == threads);
  for (dialer& d : dialers) run(context, come_back(d));
}

TEST_CASE("callers without a session are spread over listeners in turn") {
  asio::io_context context;
  using listener = parley::basic_listener<parley::lines>;
  std::array<listener, 3> listeners{listener(context.get_executor()),
                                    listener(context.get_executor()),
                                    listener(context.get_executor())};
  auto& door = listeners[0];
  door.share_with(listeners[1]);
  door.share_with(listeners[2]);
  door.listen("127.0.0.1", 0);
  const auto port = std::to_string(parley::port_of(door.endpoints().front()));
  const auto greet = [](listener& l, std::string to) -> asio::awaitable<std::string> {
    parley::tcp_connector way{"127.0.0.1", std::move(to)};
    auto there = co_await parley::dial<parley::lines>(way);
    auto here = co_await l.accept();
    co_await there.send("hello");
    const auto m = co_await here.receive();
    co_return std::string(m->body);
  };
  for (int round = 0; round < 2; ++round)
    for (listener& l : listeners) CHECK(run(context, greet(l, port)) == "hello");
}

TEST_CASE("a listener that is gone leaves its callers to the one that shared with it") {
  asio::io_context context;
  parley::listener door(context.get_executor());
  {
    parley::listener gone(context.get_executor());
    door.share_with(gone);
  }
  door.listen("127.0.0.1", 0);
  const auto port = std::to_string(parley::port_of(door.endpoints().front()));
  for (int i = 0; i < 8; ++i) {
    auto accepted = launch(context, door.accept());
    auto there = run(context, parley::dial("127.0.0.1", port));
    run_until(context, [&] { return accepted.done(); });
    CHECK(there.state() == parley::state::connected);
  }
}

}  // namespace all_cores_test
