#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <parley/credentials.hpp>
#include <parley/detail/asio.hpp>
#include <parley/detail/tls_context.hpp>

#include <asio/io_context.hpp>
#include <asio/ssl/stream.hpp>
#include <asio/write.hpp>

#include "bare_frames.hpp"
#include "contender.hpp"
#include "peer_asio.hpp"
#include "peer_work.hpp"
#include "peers.hpp"
#include "stopwatch.hpp"
#include "tcp_ends.hpp"

namespace bench {
namespace {

using asio::ip::tcp;
using parley::detail::tls_context;

/// One end of a trial: frames over one `asio::ssl::stream`, on one thread, by parley's own rules:
/// TLS 1.3, an Ed25519 certificate on both sides, the same cipher.
///
/// A stream is a coroutine that puts a batch of frames together and writes it, and another that
/// reads as much as comes at once, which is a record of 16 KiB at most, and takes the frames in
/// place. A ping-pong is one coroutine that does the one and then the other.
class bare_tls_end {
 public:
  bare_tls_end(tcp::socket s, const trial& t, tls_context::side which)
      : trial_(t),
        context_(which, std::make_shared<const parley::credentials>(parley::credentials::make()),
                 {}),
        stream_(std::move(s), context_),
        messages_(t),
        in_(t.size),
        out_(t.size) {
    tls_context::begin(stream_.native_handle(), seen_);
    // Asio has OpenSSL give its buffers back at each wait, which is of use to many that are idle.
    SSL_clear_mode(stream_.native_handle(), SSL_MODE_RELEASE_BUFFERS);
  }

  asio::awaitable<void> serve() {
    co_await stream_.async_handshake(stream::server, asio::use_awaitable);
    switch (trial_.what) {
      case work::ping_pong: co_await echo(); break;
      default:
        co_await both(trial_.count, trial_.count);
        co_await send_until(trial_.count + 1);  // the receipt
    }
  }

  asio::awaitable<void> call(figures& seen) {
    co_await stream_.async_handshake(stream::client, asio::use_awaitable);
    stopwatch time(trial_);
    switch (trial_.what) {
      case work::ping_pong: co_await ping(time); break;
      default: co_await both(trial_.count, trial_.count + 1);
    }
    seen = time.stop();
  }

 private:
  using stream = asio::ssl::stream<tcp::socket>;

  asio::awaitable<void> both(std::uint64_t to_send, std::uint64_t to_receive) {
    return standalone_asio::both(send_until(to_send), receive_until(to_receive));
  }

  asio::awaitable<void> send_until(std::uint64_t count) {
    while (messages_.sent() < count) {
      for (; messages_.sent() < count && out_.has_room(trial_.size); messages_.count_sent())
        out_.add(messages_.next());
      co_await write();
    }
  }
  asio::awaitable<void> receive_until(std::uint64_t count) {
    while (messages_.received() < count) {
      co_await read();
      for (auto body = in_.next(); body; body = in_.next()) messages_.count_received(*body);
    }
  }

  asio::awaitable<void> echo() {
    while (messages_.received() < trial_.count) {
      co_await read();
      for (auto body = in_.next(); body; body = in_.next()) {
        messages_.count_received(*body);
        out_.add(*body);
      }
      if (!out_.empty()) co_await write();
    }
  }
  asio::awaitable<void> ping(stopwatch& time) {
    while (messages_.received() < trial_.count) {
      co_await send_until(messages_.sent() + 1);
      co_await receive_until(messages_.received() + 1);
      time.turn();
    }
  }

  asio::awaitable<void> write() {
    const auto bytes = out_.unwritten();
    out_.commit(co_await asio::async_write(stream_, asio::buffer(bytes.data(), bytes.size()),
                                           asio::use_awaitable));
  }
  asio::awaitable<void> read() {
    const auto room = in_.room();
    in_.commit(co_await stream_.async_read_some(asio::buffer(room.data(), room.size()),
                                                asio::use_awaitable));
  }

  const trial& trial_;
  tls_context context_;
  parley::detail::tls_seen seen_;
  stream stream_;
  numbered_messages messages_;
  incoming_frames in_;
  outgoing_frames out_;
};

/// `asio::ssl` and nothing else: what a conversation over TLS costs a good program.
class bare_tls final : public contender {
 public:
  [[nodiscard]] std::string name() const override { return "bare asio::ssl"; }
  [[nodiscard]] bool encrypts() const override { return true; }
  [[nodiscard]] bool takes(const trial& t) const override {
    return t.what == work::ping_pong || t.what == work::both_ways;
  }

  void serve(const trial& t, const announce& tell) override {
    asio::io_context io(1);
    bare_tls_end end(ends::accept_one(io, tell), t, tls_context::side::server);
    standalone_asio::spawn(io, end.serve());
    io.run();
  }

  figures call(const trial& t, const std::string& port) override {
    asio::io_context io(1);
    bare_tls_end end(ends::connect_to(io, port), t, tls_context::side::client);
    figures seen;
    standalone_asio::spawn(io, end.call(seen));
    io.run();
    return seen;
  }

 private:
  using ends = tcp_ends<standalone_asio>;
};

}  // namespace

std::unique_ptr<contender> make_bare_tls() { return std::make_unique<bare_tls>(); }

}  // namespace bench
