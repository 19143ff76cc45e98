#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <catch2/catch_test_macros.hpp>
#include <vector>

namespace parley::test {

/// A port that is taken and on which nobody listens.
class closed_port {
 public:
  explicit closed_port(asio::io_context& context)
      : taken_(context, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {}
  [[nodiscard]] unsigned short number() const { return taken_.local_endpoint().port(); }

 private:
  asio::ip::tcp::socket taken_;
};

/// A port whose queue of callers is full, so that a connect gets no answer.
class full_port {
 public:
  explicit full_port(asio::io_context& context) : context_(context), acceptor_(context) {
    acceptor_.open(asio::ip::tcp::v4());
    acceptor_.bind(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    acceptor_.listen(0);
    while (is_answered())
      if (callers_.size() > 32) SKIP("this machine takes more callers in than it was told to");
  }
  [[nodiscard]] unsigned short number() const { return acceptor_.local_endpoint().port(); }

  /// Lets all in who wait in the queue, so that there is room again.
  void open() {
    std::error_code none_left;
    acceptor_.non_blocking(true);
    while (!none_left) callers_.emplace_back(acceptor_.accept(none_left));
  }

 private:
  /// Whether one more caller is let into the queue.
  [[nodiscard]] bool is_answered() {
    auto& s = callers_.emplace_back(context_);
    s.open(asio::ip::tcp::v4());
    s.native_non_blocking(true);
    const auto at = acceptor_.local_endpoint();
    const auto size = static_cast<socklen_t>(at.size());
    if (::connect(s.native_handle(), at.data(), size) == 0) return true;
    pollfd connected{s.native_handle(), POLLOUT, 0};
    return ::poll(&connected, 1, 20) == 1;  // on loopback an answer takes microseconds
  }

  asio::io_context& context_;
  asio::ip::tcp::acceptor acceptor_;
  std::vector<asio::ip::tcp::socket> callers_;
};

}  // namespace parley::test
