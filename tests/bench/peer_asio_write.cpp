#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/protocol/frame.hpp>

#include <asio/write.hpp>

#include "bare_frames.hpp"
#include "contender.hpp"
#include "peer_asio.hpp"
#include "peer_awaitable.hpp"
#include "peers.hpp"

namespace bench {
namespace {

/// Frames over a socket: written one by one, out of the program's own memory; read as many as come
/// at once, and handed out in place.
class plain_channel {
 public:
  using library = standalone_asio;

  plain_channel(asio::ip::tcp::socket s, const trial& t) : socket_(std::move(s)), in_(t.size) {}

  [[nodiscard]] auto get_executor() { return socket_.get_executor(); }

  asio::awaitable<void> meet_client() { co_return; }
  asio::awaitable<void> meet_server() { co_return; }
  void finish() {}

  asio::awaitable<void> send(std::string_view body) {
    parley::protocol::frame::put_message(header_.data(), sequence_++, 0, {});
    parley::protocol::frame::put_header(header_.data(),
                                        parley::protocol::frame::number_size + body.size(), 0x80);
    const std::array frame{asio::const_buffer(header_.data(), header_.size()),
                           asio::const_buffer(body.data(), body.size())};
    co_await asio::async_write(socket_, frame, asio::use_awaitable);
  }

  asio::awaitable<std::string_view> receive() {
    for (;;) {
      if (const auto body = in_.next()) co_return *body;
      const auto room = in_.room();
      const auto to = asio::buffer(room.data(), room.size());
      in_.commit(co_await socket_.async_read_some(to, asio::use_awaitable));
    }
  }

 private:
  asio::ip::tcp::socket socket_;
  incoming_frames in_;
  std::array<char, parley::message_overhead> header_{};  // of the frame that is being written
  std::uint64_t sequence_ = 0;
};

}  // namespace

std::unique_ptr<contender> make_asio_write() {
  return std::make_unique<awaitable_peer<plain_channel>>("Asio, a write per message");
}

}  // namespace bench
