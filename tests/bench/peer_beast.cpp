#include <cstddef>
#include <exception>
#include <memory>
#include <string_view>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "contender.hpp"
#include "peer_awaitable.hpp"
#include "peers.hpp"

namespace bench {
namespace {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;

/// Boost's Asio, the same as `standalone_asio` but for its namespace.
struct boost_asio {
  template <typename T>
  using task = asio::awaitable<T>;
  using context = asio::io_context;
  using tcp = asio::ip::tcp;
  using address_v4 = asio::ip::address_v4;
  using timer = asio::steady_timer;

  static void spawn(context& c, task<void> work) {
    asio::co_spawn(c, std::move(work), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }

  static task<void> both(task<void> one, task<void> other) {
    using namespace asio::experimental::awaitable_operators;
    co_await (std::move(one) && std::move(other));
  }

  static task<void> until_cancelled(timer& t) {
    boost::system::error_code cancelled;  // what else could it say
    co_await t.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
};

/// Binary messages over a WebSocket without compression, each in one frame and of any length. The
/// client's are masked, as the protocol demands.
class websocket_channel {
 public:
  using library = boost_asio;

  websocket_channel(asio::ip::tcp::socket s, const trial&) : stream_(std::move(s)) {
    stream_.binary(true);
    stream_.auto_fragment(false);
    stream_.read_message_max(0);                         // no limit
    stream_.write_buffer_bytes(std::size_t{64} << 10U);  // what it masks, and writes, at once
  }

  [[nodiscard]] auto get_executor() { return stream_.get_executor(); }

  asio::awaitable<void> meet_client() { co_await stream_.async_accept(asio::use_awaitable); }
  asio::awaitable<void> meet_server() {
    co_await stream_.async_handshake("127.0.0.1", "/", asio::use_awaitable);
  }
  void finish() {}

  asio::awaitable<void> send(std::string_view body) {
    co_await stream_.async_write(asio::buffer(body.data(), body.size()), asio::use_awaitable);
  }

  asio::awaitable<std::string_view> receive() {
    in_.clear();
    co_await stream_.async_read(in_, asio::use_awaitable);
    const auto body = in_.cdata();
    co_return std::string_view(static_cast<const char*>(body.data()), body.size());
  }

 private:
  static constexpr bool compressible = false;

  websocket::stream<asio::ip::tcp::socket, compressible> stream_;
  boost::beast::flat_buffer in_;
};

}  // namespace

std::unique_ptr<contender> make_beast() {
  return std::make_unique<awaitable_peer<websocket_channel>>("Beast WebSocket");
}

}  // namespace bench
