#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/detail/spawn.hpp>
#include <parley/protocol/frame.hpp>

#include <asio/read.hpp>
#include <asio/write.hpp>

#include "contender.hpp"
#include "peer_asio.hpp"
#include "peer_awaitable.hpp"
#include "peers.hpp"

namespace bench {
namespace {

/// Frames over a socket in the shape of Asio's chat example: who sends puts a string in a queue and
/// wakes the writer, which is a coroutine of its own and writes them one by one; the reader reads
/// one frame at a time.
class chat_channel {
 public:
  using library = standalone_asio;

  chat_channel(asio::ip::tcp::socket s, const trial& t)
      : socket_(std::move(s)),
        size_(t.size),
        queued_(socket_.get_executor()),
        drained_(socket_.get_executor()) {
    parley::detail::spawn(socket_.get_executor(), write_loop());
  }

  [[nodiscard]] auto get_executor() { return socket_.get_executor(); }

  asio::awaitable<void> meet_client() { co_return; }
  asio::awaitable<void> meet_server() { co_return; }

  /// What is queued is still written.
  void finish() {
    finished_ = true;
    queued_.wake();
  }

  // The example lets its queue grow without end; a stream as fast as it can needs a limit.
  asio::awaitable<void> send(std::string_view body) {
    std::string frame(parley::message_overhead + body.size(), '\0');
    parley::protocol::frame::put_message(frame.data(), sequence_++, 0, body);
    queue_.push_back(std::move(frame));
    queued_.wake();
    while (queue_.size() >= longest_queue) co_await drained_.wait();
  }

  asio::awaitable<std::string_view> receive() {
    co_await asio::async_read(socket_, asio::buffer(header_), asio::use_awaitable);
    const auto header = parley::protocol::frame::read_header({header_.data(), header_.size()});
    if (header.length != parley::protocol::frame::number_size + size_)
      throw std::runtime_error("a frame that nobody has sent");
    body_.resize(size_);
    co_await asio::async_read(socket_, asio::buffer(body_), asio::use_awaitable);
    co_return body_;
  }

 private:
  static constexpr std::size_t longest_queue = 100;

  asio::awaitable<void> write_loop() {
    while (!finished_ || !queue_.empty()) {
      if (queue_.empty()) {
        co_await queued_.wait();
        continue;
      }
      co_await asio::async_write(socket_, asio::buffer(queue_.front()), asio::use_awaitable);
      queue_.pop_front();
      if (queue_.size() == longest_queue / 2) drained_.wake();
    }
  }

  asio::ip::tcp::socket socket_;
  std::size_t size_;
  std::deque<std::string> queue_;
  wakeup<library> queued_;
  wakeup<library> drained_;
  std::array<char, parley::message_overhead> header_{};
  std::string body_;
  std::uint64_t sequence_ = 0;
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<contender> make_asio_chat() {
  return std::make_unique<awaitable_peer<chat_channel>>("Asio chat shape");
}

}  // namespace bench
