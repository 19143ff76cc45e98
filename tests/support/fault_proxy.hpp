#pragma once

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/random.hpp"

namespace parley::test {

/// What can happen to a connection.
enum class fault : std::uint8_t {
  close,      ///< both sockets are closed: each side reads its end
  reset,      ///< both sockets are reset: each side gets an error
  stall,      ///< nothing passes either way, and neither side is told
  half_close  ///< one direction ends, the other goes on; what its source still sends is lost
};

enum class direction : std::uint8_t { to_server, to_client };

/// Which of the connections to come a planned strike is for.
enum class target_of : std::uint8_t { next, each };

/// What a proxy has done so far.
struct proxy_counts {
  std::uint64_t connections = 0;  ///< accepted
  std::uint64_t open = 0;         ///< of these, now
  std::uint64_t strikes = 0;      ///< a strike at three connections is three
  std::array<std::uint64_t, 2> bytes_each_way{};
  std::array<std::uint64_t, 2> writes_each_way{};

  [[nodiscard]] std::uint64_t bytes(direction d) const {
    return bytes_each_way.at(static_cast<std::size_t>(d));
  }
  [[nodiscard]] std::uint64_t writes(direction d) const {
    return writes_each_way.at(static_cast<std::size_t>(d));
  }
};

namespace proxy_detail {

using tcp = asio::ip::tcp;
using clock = std::chrono::steady_clock;

/// Of the proxy, and the most that it asks the kernel to hold, for each direction of a connection.
inline constexpr std::size_t buffer_size = std::size_t{64} * 1024;

/// The counts, which the proxy's thread writes and any other reads or waits for.
class scoreboard {
 public:
  template <typename Change>
  void note(Change change) {
    {
      const std::lock_guard lock(mutex_);
      change(counts_);
    }
    changed_.notify_all();
  }

  [[nodiscard]] proxy_counts read() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

  template <typename Done>
  [[nodiscard]] bool wait_until(Done done, std::chrono::seconds timeout) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [&] { return done(counts_); });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  proxy_counts counts_;
};

/// How the link is, for all connections alike.
struct link_state {
  std::size_t most_bytes = 0;          ///< that one write passes; 0: no limit
  std::uint64_t bytes_per_second = 0;  ///< each way of each connection; 0: no limit
  bool down = false;
};

/// A strike to come.
struct plan {
  fault what;
  direction way;
  std::uint64_t offset;  ///< bytes that pass this way before it
};

/// A socket that no program which the test starts inherits, as it does Asio's own: there it would
/// stay open when it is closed here.
template <typename Socket>
Socket private_socket(asio::any_io_executor e) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "socket");
  return Socket(std::move(e), tcp::v4(), fd);
}

/// Bounds what the kernel holds back: else it would take megabytes before a writer is made to wait,
/// and go on to deliver them when the connection has long been stalled.
template <typename Socket>
void bound_buffers(Socket& s) {
  s.set_option(asio::socket_base::send_buffer_size(static_cast<int>(buffer_size)));
  s.set_option(asio::socket_base::receive_buffer_size(static_cast<int>(buffer_size)));
}

/// One connection through the proxy: two sockets, and a pump each way.
///
/// Everything happens on the proxy's thread. Once `open_` is false both sockets are closed and
/// nothing is done to them any more; whatever waits is woken, sees that and returns.
class connection : public std::enable_shared_from_this<connection> {
 public:
  connection(tcp::socket client, const link_state& l, scoreboard& board, std::optional<plan> p)
      : client_(std::move(client)),
        server_(private_socket<tcp::socket>(client_.get_executor())),
        hang_up_(client_.get_executor()),
        there_(direction::to_server, client_, server_),
        back_(direction::to_client, server_, client_),
        link_(l),
        board_(board),
        plan_(p) {
    bound_buffers(server_);
    for (tcp::socket* s : {&client_, &server_}) {
      s->set_option(tcp::no_delay(true));
      s->non_blocking(true);
    }
  }

  /// Completes when the connection has ended.
  asio::awaitable<void> run(tcp::endpoint target) {
    using namespace asio::experimental::awaitable_operators;
    co_await permission(there_);
    if (!open_) co_return;
    std::error_code ec;
    co_await server_.async_connect(target, asio::redirect_error(asio::use_awaitable, ec));
    if (ec) reset();
    if (!open_) co_return;
    co_await (pump(there_) && pump(back_));
  }

  void strike(fault what, direction way) {
    if (!open_) return;
    switch (what) {
      case fault::close: close(); break;
      case fault::reset: reset(); break;
      case fault::stall: stall(); break;
      case fault::half_close: end(way == direction::to_server ? there_ : back_); break;
    }
    board_.note([](proxy_counts& c) { ++c.strikes; });
  }

  void call_off() { plan_.reset(); }

  /// Ends a stall, and has everything that waits look again.
  void release() {
    stalled_ = false;
    std::error_code ignored;  // it was not watched
    hang_up_.close(ignored);
    for (lane* l : {&there_, &back_}) l->changed.cancel();
  }

  /// In good order: the end goes out behind what was written. Bytes left unread would make the
  /// kernel send a reset after it, which can overtake a slow reader.
  void close() {
    for (tcp::socket* s : {&client_, &server_}) {
      std::error_code ignored;  // it may have gone already
      s->shutdown(tcp::socket::shutdown_send, ignored);
      // Linux drops what is there with MSG_TRUNC, and copies nothing.
      ::recv(s->native_handle(), nullptr, s->available(ignored), MSG_TRUNC | MSG_DONTWAIT);
    }
    close_sockets();
  }

 private:
  /// One direction.
  struct lane {
    lane(direction d, tcp::socket& source, tcp::socket& sink)
        : way(d), from(source), to(sink), changed(source.get_executor()) {}

    direction way;
    tcp::socket& from;
    tcp::socket& to;
    asio::steady_timer changed;  ///< where the pump waits: cancelled when it shall look again
    std::vector<char> buffer = std::vector<char>(buffer_size);
    std::uint64_t passed = 0;
    clock::time_point due;     ///< when the throttle lets more pass
    bool discards = false;     ///< nothing passes any more; what still comes is read and dropped
    bool sink_gone = false;    ///< a write has failed
    bool source_done = false;  ///< its end was read, and passed on
  };

  // --- the pump --------------------------------------------------------------------------------

  asio::awaitable<void> pump(lane& l) {
    if (strike_is_due(l)) co_await strike_as_planned(l);  // at 0
    std::error_code ec;
    while (open_ && !ec) {
      co_await permission(l);
      const std::size_t n = co_await l.from.async_read_some(
          asio::buffer(l.buffer), asio::redirect_error(asio::use_awaitable, ec));
      co_await pass(l, n);
    }
    co_await source_ended(l, ec);
  }

  /// Completes when the first `n` bytes of the buffer are written, or never will be.
  asio::awaitable<void> pass(lane& l, std::size_t n) {
    std::size_t done = 0;
    while (done < n) {
      co_await permission(l);
      if (!open_ || l.discards) co_return;
      std::error_code ec;
      const auto piece = asio::buffer(l.buffer.data() + done, most_at_once(l, n - done));
      const std::size_t written = l.to.write_some(piece, ec);
      if (ec == asio::error::would_block) {
        co_await l.to.async_wait(tcp::socket::wait_write,
                                 asio::redirect_error(asio::use_awaitable, ec));
        continue;
      }
      if (ec) co_return lose_sink(l);
      done += written;
      note_passed(l, written);
      if (strike_is_due(l)) co_await strike_as_planned(l);
      // A thousand slices in a row, each written at once: let the others have their turn.
      if (done < n) co_await asio::post(l.to.get_executor(), asio::use_awaitable);
    }
  }

  /// Completes when bytes may pass, or when the connection is closed.
  asio::awaitable<void> permission(lane& l) const {
    while (open_) {
      if (stalled_ || link_.down)
        l.changed.expires_at(clock::time_point::max());
      else if (clock::now() < l.due)
        l.changed.expires_at(l.due);
      else
        co_return;
      std::error_code ignored;  // whether it was cancelled: the conditions above say it all
      co_await l.changed.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }

  [[nodiscard]] std::size_t most_at_once(const lane& l, std::size_t n) const {
    if (link_.most_bytes != 0) n = std::min(n, link_.most_bytes);
    // A 64th of a second's worth: a throttled link drips, it does not gush once a second.
    if (link_.bytes_per_second != 0)
      n = std::min(n, static_cast<std::size_t>(link_.bytes_per_second / 64 + 1));
    if (plan_ && plan_->way == l.way && plan_->offset > l.passed)
      n = static_cast<std::size_t>(std::min<std::uint64_t>(n, plan_->offset - l.passed));
    return n;
  }

  void note_passed(lane& l, std::size_t n) {
    l.passed += n;
    if (link_.bytes_per_second != 0) {
      const std::chrono::nanoseconds taken(n * std::nano::den / link_.bytes_per_second);
      l.due = std::max(l.due, clock::now()) + taken;
    }
    board_.note([&](proxy_counts& c) {
      const auto i = static_cast<std::size_t>(l.way);
      c.bytes_each_way.at(i) += n;
      ++c.writes_each_way.at(i);
    });
  }

  // --- planned strikes -------------------------------------------------------------------------

  [[nodiscard]] bool strike_is_due(const lane& l) const {
    return open_ && plan_ && plan_->way == l.way && plan_->offset == l.passed;
  }

  asio::awaitable<void> strike_as_planned(lane& l) {
    co_await flushed(l.to);
    co_await permission(l);  // a link that went down meanwhile tells nobody anything
    if (!open_ || !plan_) co_return;
    const fault what = plan_->what;
    plan_.reset();
    strike(what, l.way);
  }

  /// Completes when the kernel has sent all that was written to `s`: a reset would drop the rest.
  static asio::awaitable<void> flushed(tcp::socket& s) {
    // The socket is writable when fewer bytes than this are unsent.
    set_unsent_limit(s, 1);
    std::error_code ignored;  // if it has gone, nothing more will be sent
    co_await s.async_wait(tcp::socket::wait_write,
                          asio::redirect_error(asio::use_awaitable, ignored));
    set_unsent_limit(s, 0);  // none
  }

  static void set_unsent_limit(tcp::socket& s, int bytes) {
    // Fails on a socket that was closed meanwhile.
    ::setsockopt(s.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
  }

  // --- ends ------------------------------------------------------------------------------------

  lane& opposite(lane& l) { return &l == &there_ ? back_ : there_; }

  /// Passes on how the source ended: its end as an end, an error as a reset.
  asio::awaitable<void> source_ended(lane& l, std::error_code why) {
    co_await permission(l);
    if (!open_) co_return;
    // An error that a write has met is not reported to the read again.
    if (why != asio::error::eof || opposite(l).sink_gone) {
      co_await flushed(l.to);
      co_return reset();
    }
    l.source_done = true;
    std::error_code ignored;  // the sink may have gone
    l.to.shutdown(tcp::socket::shutdown_send, ignored);
    if (opposite(l).source_done) close();
  }

  /// What the sink sent before it went is still on its way: the other pump passes it, then resets.
  void lose_sink(lane& l) {
    l.sink_gone = true;
    l.discards = true;
    if (opposite(l).source_done) reset();
  }

  void end(lane& l) {
    l.discards = true;
    std::error_code ignored;  // the sink may have gone
    l.to.shutdown(tcp::socket::shutdown_send, ignored);
    l.changed.cancel();
  }

  void reset() {
    if (!open_) return;
    for (tcp::socket* s : {&client_, &server_}) {
      std::error_code ignored;  // it may have gone already
      s->set_option(asio::socket_base::linger(true, 0), ignored);
    }
    close_sockets();
  }

  void close_sockets() {
    if (!std::exchange(open_, false)) return;
    std::error_code ignored;  // closed it is in any case
    client_.close(ignored);
    server_.close(ignored);
    release();
    board_.note([](proxy_counts& c) { --c.open; });
  }

  // --- stalls ----------------------------------------------------------------------------------

  void stall() {
    if (std::exchange(stalled_, true)) return;
    watch_for_hang_up();
  }

  /// An end that stands behind unread bytes makes no socket readable anew, so no read that waits
  /// would notice it; epoll reports it on its own, and can itself be waited for.
  void watch_for_hang_up() {
    const int watcher = ::epoll_create1(EPOLL_CLOEXEC);
    if (watcher < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
    hang_up_.assign(watcher);
    for (lane* l : {&there_, &back_}) {
      std::error_code ec;
      l->from.remote_endpoint(ec);
      if (ec) continue;      // not connected yet, which to epoll is a hang-up
      epoll_event wanted{};  // errors are always reported
      if (!l->source_done) wanted.events = EPOLLRDHUP;
      if (::epoll_ctl(watcher, EPOLL_CTL_ADD, l->from.native_handle(), &wanted) != 0)
        throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }
    hang_up_.async_wait(asio::posix::stream_descriptor::wait_read,
                        [self = shared_from_this()](std::error_code ec) {
                          if (!ec && self->stalled_ && !self->link_.down) self->close();
                        });
  }

  tcp::socket client_;
  tcp::socket server_;
  asio::posix::stream_descriptor hang_up_;  ///< of either side; open while stalled
  lane there_;
  lane back_;
  const link_state& link_;
  scoreboard& board_;
  std::optional<plan> plan_;
  bool open_ = true;
  bool stalled_ = false;
};

}  // namespace proxy_detail

/// Stands between two TCP programs on loopback and does to their connections what bad networks do.
///
///                    ┌── fault_proxy ── its own thread ──┐
///                    │      to_server   ≤ 64 KiB         │
///   client ──▶ port()│ ───▶ read ─▶ hold? slice ─▶ write │──▶ target_port, server
///          ◀──       │ ◀─── write ◀─ slice, hold? ◀ read │◀──
///                    │      to_client   ≤ 64 KiB         │
///                    └───────────────────────────────────┘
///
/// A side that ends its direction, closes or resets is answered for on the other side alike. Who
/// does not read makes the other wait. What was written to a socket counts as passed.
///
/// One thread at a time may call it: any but the proxy's own. A call returns when it has taken
/// effect. What it waits for on the network, it waits for without a clock, but for `throttle`.
///
///   fault_proxy proxy(server_port);
///   proxy.strike_at(fault::reset, direction::to_server, 100);  // the next connection, at byte 100
///   process client(client_command(std::to_string(proxy.port())));
///   REQUIRE(proxy.wait_until([](const auto& seen) { return seen.strikes == 1; }));
///   proxy.stall_all();                                         // pull the cable
class fault_proxy {
 public:
  /// How long `wait_until` waits; only a failure takes that long.
  static constexpr std::chrono::seconds longest_wait{60};

  explicit fault_proxy(std::uint16_t target_port)
      : target_(asio::ip::address_v4::loopback(), target_port),
        holder_(proxy_detail::private_socket<tcp::socket>(context_.get_executor())) {
    holder_.set_option(tcp::socket::reuse_address(true));
    holder_.bind(tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    address_ = holder_.local_endpoint();
    listen();
    thread_ = std::thread([this] { context_.run(); });
  }
  fault_proxy(const fault_proxy&) = delete;
  fault_proxy& operator=(const fault_proxy&) = delete;
  ~fault_proxy() { stop(); }

  /// Closes everything and ends the thread. The counts stay; other calls do nothing from then on.
  void stop() {
    if (!thread_.joinable()) return;
    on_thread([this] {
      stop_listening();
      for (const auto& c : connections_) c->close();
      work_.reset();
    });
    thread_.join();
  }

  // --- what it has done ------------------------------------------------------------------------

  [[nodiscard]] std::uint16_t port() const noexcept { return address_.port(); }
  [[nodiscard]] std::uint64_t connections() const { return board_.read().connections; }
  [[nodiscard]] std::uint64_t open() const { return board_.read().open; }
  [[nodiscard]] std::uint64_t strikes() const { return board_.read().strikes; }
  [[nodiscard]] std::uint64_t bytes(direction d) const { return board_.read().bytes(d); }
  [[nodiscard]] std::uint64_t writes(direction d) const { return board_.read().writes(d); }

  /// Waits until `done(proxy_counts)` holds; false if that takes too long.
  template <typename Done>
  [[nodiscard]] bool wait_until(Done done, std::chrono::seconds timeout = longest_wait) const {
    return board_.wait_until(std::move(done), timeout);
  }

  // --- faults ----------------------------------------------------------------------------------

  /// Strikes all open connections now. `way` is the direction that a half_close ends.
  ///
  /// A stall lasts until `release`, or until one side hangs up: then both sockets are closed, and
  /// what was held back is lost. (An end is seen once all before it has come to the proxy's kernel,
  /// which takes some 64 KiB more.) To keep even that from the other side: `stall_all`.
  void strike(fault what, direction way = direction::to_server) {
    on_thread([&] {
      for (const auto& c : connections_) c->strike(what, way);
    });
  }

  /// Plans a strike for when `offset` bytes have passed in direction `way`: these arrive, the byte
  /// at the offset does not. A reader who takes them late delays it.
  ///
  /// For the next connection, where a second call is for the one after it, and so on; or for each
  /// to come that is not the next of such a call, in place of what was planned for each so far.
  void strike_at(fault what, direction way, std::uint64_t offset,
                 target_of whom = target_of::next) {
    on_thread([&] {
      const plan p{what, way, offset};
      if (whom == target_of::next)
        planned_.push_back(p);
      else
        plan_each_ = [p] { return p; };
    });
  }

  /// Plans a strike for each connection to come, at a random offset from `min_bytes` to `max_bytes`
  /// in a random direction: the same ones, in the same order, for the same seed.
  void strike_every(fault what, std::uint64_t min_bytes, std::uint64_t max_bytes,
                    std::uint64_t seed) {
    on_thread([&] {
      plan_each_ = [=, numbers = random(seed)]() mutable {
        const auto way = numbers.once_in(2) ? direction::to_server : direction::to_client;
        return plan{what, way, numbers.between(min_bytes, max_bytes)};
      };
    });
  }

  /// No strike that is planned happens any more, on no connection.
  void call_off() {
    on_thread([this] {
      planned_.clear();
      plan_each_ = nullptr;
      for (const auto& c : connections_) c->call_off();
    });
  }

  // --- the link --------------------------------------------------------------------------------

  /// No write passes more than `most_bytes`, and TCP sends each at once. 0 lifts the limit.
  void slice(std::size_t most_bytes) {
    on_thread([&] { link_.most_bytes = most_bytes; });
  }

  /// Each direction of each connection passes no more than that, from the next write on. 0 lifts
  /// the limit.
  void throttle(std::uint64_t bytes_per_second) {
    on_thread([&] { link_.bytes_per_second = bytes_per_second; });
  }

  /// The link is down: nothing passes, not even the end of a connection. New ones are accepted, and
  /// counted, but reach the server at `release` only, be their caller still there or not.
  void stall_all() {
    on_thread([this] { link_.down = true; });
  }

  /// Ends `stall_all` and every stall: what was held back passes.
  void release() {
    on_thread([this] {
      link_.down = false;
      for (const auto& c : connections_) c->release();
    });
  }

  /// New connections are refused; those that there are go on.
  void refuse() {
    on_thread([this] { stop_listening(); });
  }

  /// They are accepted again, on the same port.
  void allow() {
    on_thread([this] {
      if (!acceptor_) listen();
    });
  }

 private:
  using tcp = asio::ip::tcp;
  using connection = proxy_detail::connection;
  using plan = proxy_detail::plan;

  /// Runs `work` on the proxy's thread, if it has not ended; returns when it is done.
  template <typename Work>
  void on_thread(Work work) {
    if (!thread_.joinable()) return;
    std::packaged_task<void()> task(std::move(work));
    auto done = task.get_future();
    asio::post(context_, [task = std::move(task)]() mutable { task(); });
    done.get();
  }

  /// An error on the proxy's thread is an error of the test: it ends the program.
  static void rethrow(const std::exception_ptr& thrown) {
    if (thrown) std::rethrow_exception(thrown);
  }

  void listen() {
    acceptor_ = std::make_shared<tcp::acceptor>(
        proxy_detail::private_socket<tcp::acceptor>(context_.get_executor()));
    acceptor_->non_blocking(true);
    acceptor_->set_option(tcp::acceptor::reuse_address(true));
    proxy_detail::bound_buffers(*acceptor_);  // what is accepted has them from there
    acceptor_->bind(address_);
    acceptor_->listen();
    asio::co_spawn(context_, accept_from(acceptor_), [](auto thrown) { rethrow(thrown); });
  }

  void stop_listening() {
    if (!acceptor_) return;
    acceptor_->close();
    acceptor_.reset();
  }

  asio::awaitable<void> accept_from(std::shared_ptr<tcp::acceptor> acceptor) {
    for (;;) {
      std::error_code ec;
      co_await acceptor->async_wait(tcp::acceptor::wait_read,
                                    asio::redirect_error(asio::use_awaitable, ec));
      if (!acceptor->is_open()) co_return;
      if (ec) throw std::system_error(ec, "wait to accept");
      const int fd = ::accept4(acceptor->native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd >= 0)
        serve(tcp::socket(context_, tcp::v4(), fd));
      else if (errno != EAGAIN && errno != ECONNABORTED)  // that caller has gone again
        throw std::system_error(errno, std::generic_category(), "accept");
    }
  }

  void serve(tcp::socket client) {
    auto c = std::make_shared<connection>(std::move(client), link_, board_, next_plan());
    connections_.push_back(c);
    board_.note([](proxy_counts& n) {
      ++n.connections;
      ++n.open;
    });
    asio::co_spawn(context_, c->run(target_), [this, c](auto thrown) {
      rethrow(thrown);
      std::erase(connections_, c);
    });
  }

  std::optional<plan> next_plan() {
    if (!planned_.empty()) {
      const plan p = planned_.front();
      planned_.pop_front();
      return p;
    }
    if (plan_each_) return plan_each_();
    return std::nullopt;
  }

  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
  proxy_detail::scoreboard board_;
  proxy_detail::link_state link_;
  tcp::endpoint target_;
  tcp::socket holder_;  ///< bound, never listening: keeps the port ours while `refuse` holds
  tcp::endpoint address_;
  std::shared_ptr<tcp::acceptor> acceptor_;
  std::vector<std::shared_ptr<connection>> connections_;
  std::deque<plan> planned_;
  std::function<plan()> plan_each_;
  std::thread thread_;
};

}  // namespace parley::test
