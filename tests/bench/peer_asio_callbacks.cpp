#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include "bare_frames.hpp"
#include "contender.hpp"
#include "peer_asio.hpp"
#include "peer_work.hpp"
#include "peers.hpp"
#include "reference.hpp"
#include "stopwatch.hpp"
#include "tcp_ends.hpp"

namespace bench {
namespace {

/// Frames over a socket: `Answer` is called with each message that one read has brought; what it
/// adds is written in line, and then comes the next read. What has been added before `start` goes
/// first.
template <typename Answer>
class callback_end {
 public:
  callback_end(asio::ip::tcp::socket s, const trial& t, Answer answer)
      : socket_(std::move(s)),
        in_(t.size),
        out_(t.size),
        to_come_(t.count),
        answer_(std::move(answer)) {
    socket_.non_blocking(true);
  }

  void add(std::string_view body) { out_.add(body); }

  /// All else happens in callbacks, until as many messages have come as the trial says.
  void start() { write(); }

 private:
  void write() {
    while (!out_.empty()) {
      const auto bytes = out_.unwritten();
      std::error_code ec;
      const std::size_t n = socket_.write_some(asio::buffer(bytes.data(), bytes.size()), ec);
      out_.commit(n);
      if (ec == asio::error::would_block) return write_later();
      demand(ec);
    }
    if (to_come_ != 0) read();
  }

  void write_later() {
    socket_.async_wait(asio::ip::tcp::socket::wait_write, [this](std::error_code ec) {
      demand(ec);
      write();
    });
  }

  void read() {
    const auto room = in_.room();
    const auto come = [this](std::error_code ec, std::size_t n) {
      demand(ec);
      in_.commit(n);
      for (auto body = in_.next(); body; body = in_.next()) {
        --to_come_;
        answer_(*this, *body);
      }
      write();
    };
    socket_.async_read_some(asio::buffer(room.data(), room.size()), come);
  }

  /// What it throws leaves through `run()`.
  static void demand(std::error_code ec) {
    if (ec) throw std::system_error(ec);
  }

  asio::ip::tcp::socket socket_;
  incoming_frames in_;
  outgoing_frames out_;
  std::uint64_t to_come_;
  Answer answer_;
};

/// Callbacks on both sides, without a coroutine, a queue or a timer: what it costs at least to be
/// built on Asio's public interface.
class asio_callbacks final : public contender {
 public:
  [[nodiscard]] std::string name() const override { return std::string(asio_floor); }
  [[nodiscard]] bool takes(const trial& t) const override { return t.what == work::ping_pong; }

  void serve(const trial& t, const announce& tell) override {
    numbered_messages messages(t);
    const auto echo = [&](auto& end, std::string_view body) {
      messages.count_received(body);
      end.add(body);
    };
    asio::io_context io(1);
    callback_end end(ends::accept_one(io, tell), t, echo);
    end.start();
    io.run();
  }

  figures call(const trial& t, const std::string& port) override {
    asio::io_context io(1);
    auto socket = ends::connect_to(io, port);
    numbered_messages messages(t);
    const auto send = [&](auto& end) {
      end.add(messages.next());
      messages.count_sent();
    };
    stopwatch time(t);
    const auto next_turn = [&](auto& end, std::string_view body) {
      messages.count_received(body);
      time.turn();
      if (messages.sent() < t.count) send(end);
    };
    callback_end end(std::move(socket), t, next_turn);
    send(end);
    end.start();
    io.run();
    return time.stop();
  }

 private:
  using ends = tcp_ends<standalone_asio>;
};

}  // namespace

std::unique_ptr<contender> make_asio_callbacks() { return std::make_unique<asio_callbacks>(); }

}  // namespace bench
