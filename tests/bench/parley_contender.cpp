#include "parley_contender.hpp"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <utility>

#include <asio/io_context.hpp>

#include <parley/dial.hpp>
#include <parley/listener.hpp>
#include <parley/run_spinning.hpp>

#include "numbered.hpp"
#include "stopwatch.hpp"
#include "support/process.hpp"

namespace bench {
namespace {

using style = parley_use::style;
using transport = parley_use::transport;

/// One side of a trial: the coroutines that send and receive its messages.
///
/// The loops hold `try_` calls and waits in one body because a coroutine for each message is what
/// the style `tries` is there to avoid.
class side {
 public:
  side(parley::peer p, const trial& t, style s)
      : peer_(std::move(p)), trial_(t), style_(s), body_(make_body(t)) {}

  /// Sends the messages from number `sent()` until there are so many.
  asio::awaitable<void> send_until(std::uint64_t count) {
    for (; sent_ < count; ++sent_) {
      number_message(body_.data(), sent_);
      if (style_ == style::awaits || peer_.try_send(body_) != parley::admission::queued)
        co_await peer_.send(body_);
    }
  }

  asio::awaitable<void> receive_until(std::uint64_t count) {
    while (received_ < count) {
      if (style_ == style::tries) take_until(count);
      if (received_ < count) check(co_await peer_.receive());
    }
  }

  /// Answers each message by itself.
  asio::awaitable<void> echo() {
    while (received_ < trial_.count) {
      std::optional<parley::message> m;
      if (trial_.what == work::echo) m = peer_.try_receive();
      if (!m) m = co_await peer_.receive();
      check(m);
      if (peer_.try_send(m->body) != parley::admission::queued) co_await peer_.send(m->body);
    }
  }

  /// Sends and waits for the echo, so many times.
  asio::awaitable<figures> ping_pong() {
    stopwatch time(trial_);
    while (received_ < trial_.count) {
      co_await send_until(sent_ + 1);
      check(co_await peer_.receive());
      time.turn();
    }
    co_return time.stop();
  }

  /// Keeps as many messages under way as the trial says.
  asio::awaitable<figures> keep_under_way() {
    stopwatch time(trial_);
    co_await send_until(std::min(trial_.outstanding, trial_.count));
    while (received_ < trial_.count) {
      auto m = peer_.try_receive();
      if (!m) m = co_await peer_.receive();
      check(m);
      if (sent_ == trial_.count) continue;
      number_message(body_.data(), sent_++);
      if (peer_.try_send(body_) != parley::admission::queued) co_await peer_.send(body_);
    }
    co_return time.stop();
  }

  /// Completes when all is delivered both ways.
  asio::awaitable<void> close() {
    const std::uint64_t undelivered = co_await peer_.close(patience);
    if (undelivered != 0) throw std::runtime_error("not all was delivered");
  }

 private:
  static constexpr std::chrono::seconds patience{10};

  /// Takes what has arrived, but no more than that many in all.
  void take_until(std::uint64_t count) {
    while (received_ < count) {
      const auto m = peer_.try_receive();
      if (!m) return;
      check(m);
    }
  }

  void check(const std::optional<parley::message>& m) {
    if (!m) throw std::runtime_error("the other side said goodbye");
    check_message(m->body, received_++, trial_);
  }

  parley::peer peer_;
  trial trial_;
  style style_;
  std::string body_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

asio::awaitable<void> serve_trial(side& here, const trial& t) {
  using namespace asio::experimental::awaitable_operators;
  switch (t.what) {
    case work::ping_pong:
    case work::echo: co_await here.echo(); break;
    case work::one_way:
      co_await here.receive_until(t.count);
      co_await here.send_until(1);
      break;
    case work::both_ways:
      co_await (here.send_until(t.count) && here.receive_until(t.count));
      co_await here.send_until(t.count + 1);
      break;
  }
  co_await here.close();
}

asio::awaitable<figures> stream(side& here, const trial& t) {
  using namespace asio::experimental::awaitable_operators;
  const std::uint64_t from_server = t.what == work::one_way ? 1 : t.count + 1;
  stopwatch time(t);
  co_await (here.send_until(t.count) && here.receive_until(from_server));
  co_return time.stop();
}

asio::awaitable<figures> call_trial(side& here, const trial& t) {
  figures seen;
  switch (t.what) {
    case work::ping_pong: seen = co_await here.ping_pong(); break;
    case work::echo: seen = co_await here.keep_under_way(); break;
    case work::one_way:
    case work::both_ways: seen = co_await stream(here, t); break;
  }
  co_await here.close();
  co_return seen;
}

class parley_contender final : public contender {
 public:
  explicit parley_contender(parley_use use) : use_(std::move(use)) {}

  [[nodiscard]] std::string name() const override { return use_.name; }

  [[nodiscard]] bool takes(const trial& t) const override {
    if (use_.settings) return t.what == work::one_way;
    const bool stream = t.what == work::one_way || t.what == work::both_ways;
    if (use_.calls == style::awaits) return stream;
    return use_.spin.count() == 0 || !stream;
  }

  void serve(const trial& t, const announce& say) override {
    asio::io_context io(1);
    run(io, serve_one(t, say));
  }

  figures call(const trial& t, const std::string& address) override {
    asio::io_context io(1);
    figures seen;
    run(io, call_one(t, address, seen));
    return seen;
  }

 private:
  asio::awaitable<void> serve_one(trial t, announce say) const {
    const parley::test::scratch folder;  // where the Unix socket is
    parley::listener listener(co_await asio::this_coro::executor, settings());
    if (use_.over == transport::tcp)
      listener.listen("127.0.0.1", 0);
    else
      listener.listen_unix(folder / "socket");
    say(use_.over == transport::tcp ? std::to_string(parley::port_of(listener.endpoints().front()))
                                    : folder / "socket");
    side here(co_await listener.accept(), t, use_.calls);
    co_await serve_trial(here, t);
  }

  asio::awaitable<void> call_one(trial t, std::string address, figures& seen) const {
    side here(co_await dial(address), t, use_.calls);
    seen = co_await call_trial(here, t);
  }

  [[nodiscard]] asio::awaitable<parley::peer> dial(const std::string& address) const {
    if (use_.over == transport::tcp) return parley::dial("127.0.0.1", address, settings());
    return parley::dial(parley::unix_connector{address}, settings());
  }

  [[nodiscard]] parley::options settings() const {
    return use_.settings.value_or(parley::options());
  }

  /// Until the work is done and all connections are closed.
  void run(asio::io_context& io, asio::awaitable<void> work) const {
    std::exception_ptr failed;
    const auto done = [&](std::exception_ptr thrown) {
      failed = std::move(thrown);
      if (failed) io.stop();
    };
    asio::co_spawn(io, std::move(work), done);
    if (use_.spin.count() != 0)
      parley::run_spinning(io, use_.spin);
    else
      io.run();
    if (failed) std::rethrow_exception(failed);
  }

  parley_use use_;
};

}  // namespace

std::unique_ptr<contender> make_parley(const parley_use& use) {
  return std::make_unique<parley_contender>(use);
}

}  // namespace bench
