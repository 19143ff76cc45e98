// One side of a conversation, driven from outside: what the proofs start as processes, cut off,
// stop and kill. It numbers what it says, checks what it hears, and tells on standard output what
// happens and when: microseconds of steady time, which all processes of a machine share.
//
//   parley-talker serve PORT [KEY=NUMBER ...]     parley-talker dial PORT [KEY=NUMBER ...]
//
// HOST=ADDRESS names another host than 127.0.0.1. On standard input it takes lines: "read" and
// "pause" (go on receiving, or not), "memory" (tell), "finish" (say no more).

#include <unistd.h>
#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/read_until.hpp>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/parley.hpp>

#include "support/bytes.hpp"

namespace {

using clock_type = std::chrono::steady_clock;

long long now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(clock_type::now().time_since_epoch())
      .count();
}

template <typename... Arguments>
void tell(const char* format, Arguments... arguments) {
  std::printf(format, arguments...);
  std::putchar('\n');
  std::fflush(stdout);
}

/// What the command line asks for; all that are left out are 0 or the library's defaults.
struct wishes {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::uint64_t messages = 0;     ///< to say; 0: without end
  std::uint64_t size = 64;        ///< of the longest body, bytes
  std::uint64_t interval_ms = 0;  ///< between two messages; 0: as fast as they are taken
  std::uint64_t paused = 0;       ///< 1: receives nothing until it is told to
  std::uint64_t quiet = 0;        ///< 1: tells of no events
  parley::options settings;
};

wishes read_wishes(int count, char** words) {
  if (count < 3) throw std::invalid_argument("parley-talker serve|dial PORT [KEY=NUMBER ...]");
  std::map<std::string, std::uint64_t, std::less<>> given;
  wishes w;
  for (int i = 2; i < count; ++i) {
    const std::string_view word = words[i];
    const auto equals = word.find('=');
    const auto key = i == 2 ? std::string_view("port") : word.substr(0, equals);
    const auto value = i == 2 ? word : word.substr(equals + 1);
    if (key == "host") w.host = value;
    if (key == "host") continue;
    std::from_chars(value.data(), value.data() + value.size(), given[std::string(key)]);
  }
  const auto take = [&given](const char* key, std::uint64_t otherwise) {
    const auto found = given.find(key);
    return found == given.end() ? otherwise : found->second;
  };
  const auto milliseconds = [&take](const char* key, std::chrono::milliseconds otherwise) {
    return std::chrono::milliseconds(take(key, static_cast<std::uint64_t>(otherwise.count())));
  };
  w.port = static_cast<std::uint16_t>(take("port", 0));
  w.messages = take("messages", w.messages);
  w.size = std::max<std::uint64_t>(take("size", w.size), 1);
  w.interval_ms = take("interval", w.interval_ms);
  w.paused = take("paused", w.paused);
  w.quiet = take("quiet", w.quiet);
  w.settings.heartbeat = milliseconds("heartbeat", w.settings.heartbeat);
  w.settings.resume_for = milliseconds("resume", w.settings.resume_for);
  w.settings.wait_for = milliseconds("wait", w.settings.wait_for);
  w.settings.window = take("window", w.settings.window);
  w.settings.outbox = take("outbox", w.settings.outbox);
  return w;
}

/// The body of message `number`: the same on both sides.
std::string body_of(std::uint64_t number, std::uint64_t longest) {
  return parley::test::pattern(number, 1 + number * 7919 % longest);
}

class talker {
 public:
  talker(asio::io_context& io, wishes w)
      : wishes_(std::move(w)),
        commands_(io, ::dup(STDIN_FILENO)),
        timer_(io),
        resumed_(io.get_executor()) {
    wishes_.settings.on_event = [this](const parley::event& e) { happened(e); };
  }

  asio::awaitable<void> serve() {
    parley::listener listener(co_await asio::this_coro::executor, wishes_.settings);
    listener.listen(wishes_.host, wishes_.port);
    tell("listening %d", int{parley::port_of(listener.endpoints().front())});
    peer_ = co_await listener.accept();
    co_await talk();
  }

  asio::awaitable<void> dial() {
    parley::tcp_connector connector{wishes_.host, std::to_string(wishes_.port)};
    peer_ = co_await parley::dial(std::move(connector), wishes_.settings);
    co_await talk();
  }

 private:
  static constexpr std::uint64_t progress = 50'000;  ///< heard, to say that it goes on

  asio::awaitable<void> talk() {
    using namespace asio::experimental::awaitable_operators;
    paused_ = wishes_.paused != 0;
    co_await (converse() && obey());
    const auto s = peer_.statistics();
    tell(
        "done heard=%llu wrong=%llu said=%llu undelivered=%llu unsent=%llu connections=%u "
        "again=%llu reason=%s",
        heard_, wrong_, static_cast<unsigned long long>(s.messages_sent),
        static_cast<unsigned long long>(s.unacknowledged),
        static_cast<unsigned long long>(s.unsent), s.connections,
        static_cast<unsigned long long>(s.sent_again), peer_.reason().message().c_str());
  }

  asio::awaitable<void> converse() {
    using namespace asio::experimental::awaitable_operators;
    co_await (say() && hear());
    co_await peer_.close(std::chrono::seconds(30));
    std::error_code ignored;  // it may have been closed at the other end
    commands_.close(ignored);
  }

  asio::awaitable<void> say() {
    std::error_code ec;
    for (std::uint64_t i = 0; !finished_ && (wishes_.messages == 0 || i < wishes_.messages); ++i) {
      co_await peer_.send(body_of(i, wishes_.size), 0, ec);
      if (ec) break;
      if (wishes_.interval_ms == 0) continue;
      timer_.expires_after(std::chrono::milliseconds(wishes_.interval_ms));
      co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    }
    peer_.finish();
  }

  asio::awaitable<void> hear() {
    std::error_code ec;
    for (;;) {
      while (paused_ && !peer_.ended()) co_await resumed_.wait();
      const auto m = co_await peer_.receive(ec);
      if (!m) break;
      if (m->body != body_of(heard_, wishes_.size)) ++wrong_;
      ++heard_;
      if (heard_ % progress == 0) tell("heard %llu", heard_);
      const auto now = now_us();
      if (heard_ > 1) longest_gap_ = std::max(longest_gap_, now - heard_at_);
      heard_at_ = now;
      if (std::exchange(silent_, false)) tell("event %lld flows Success", now);
    }
    if (wishes_.messages != 0) co_return;
    finished_ = true;  // it has nothing to say without end to one who has left
    timer_.cancel();
  }

  asio::awaitable<void> obey() {
    std::string input;
    std::error_code ec;
    while (!ec) {
      const std::size_t n =
          co_await asio::async_read_until(commands_, asio::dynamic_buffer(input), '\n',
                                          asio::redirect_error(asio::use_awaitable, ec));
      if (ec) break;
      obey(input.substr(0, n - 1));
      input.erase(0, n);
    }
  }

  void obey(const std::string& command) {
    if (command == "finish") finished_ = true;
    if (command == "pause") paused_ = true;
    if (command == "read") paused_ = false;
    if (command == "read") resumed_.notify();
    if (command == "memory") tell_memory();
  }

  void tell_memory() {
    std::ifstream status("/proc/self/statm");
    long pages = 0;
    long resident = 0;
    status >> pages >> resident;
    const auto s = peer_.statistics();
    tell(
        "memory resident=%lld boxes=%llu said=%llu heard=%llu round_trip_us=%lld connections=%u "
        "longest_gap_us=%lld",
        static_cast<long long>(resident) * ::sysconf(_SC_PAGESIZE),
        static_cast<unsigned long long>(s.memory), static_cast<unsigned long long>(s.messages_sent),
        heard_, static_cast<long long>(s.round_trip_last.count() / 1000), s.connections,
        longest_gap_);
    longest_gap_ = 0;
    peer_.ping();
  }

  void happened(const parley::event& e) {
    using kind = parley::event::kind;
    static const std::map<kind, const char*> names{
        {kind::connecting, "connecting"}, {kind::connected, "connected"},    {kind::lost, "lost"},
        {kind::failed, "failed"},         {kind::resumed, "resumed"},        {kind::ended, "ended"},
        {kind::rejected, "rejected"},     {kind::turned_away, "turned_away"}};
    if (e.what == kind::lost) silent_ = wishes_.quiet == 0;
    if (wishes_.quiet != 0) return;
    tell("event %lld %s %s", now_us(), names.at(e.what), e.reason.message().c_str());
  }

  wishes wishes_;
  parley::peer peer_;
  asio::posix::stream_descriptor commands_;
  asio::steady_timer timer_;
  parley::detail::wakeup resumed_;
  unsigned long long heard_ = 0;
  unsigned long long wrong_ = 0;
  long long heard_at_ = 0;
  long long longest_gap_ = 0;  ///< between two messages heard, since it was told last
  bool paused_ = false;
  bool finished_ = false;
  bool silent_ = false;  ///< nothing was heard since the connection was lost
};

}  // namespace

int main(int count, char** words) {
  try {
    asio::io_context io(1);
    const auto w = read_wishes(count, words);
    talker t(io, w);
    std::exception_ptr failed;
    auto work = std::string_view(words[1]) == "serve" ? t.serve() : t.dial();
    asio::co_spawn(io, std::move(work), [&failed](std::exception_ptr e) { failed = std::move(e); });
    io.run();
    if (failed) std::rethrow_exception(failed);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "parley-talker: %s\n", e.what());
    return 1;
  }
}
