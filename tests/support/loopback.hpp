#pragma once

#include <stdlib.h>  // mkdtemp: POSIX, so not in <cstdlib>

#include <array>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/dial.hpp>
#include <parley/listener.hpp>

#include "support/run.hpp"

namespace parley::test {

enum class transport { ipv4, ipv6, unix_socket };

[[nodiscard]] inline std::string_view to_string(transport t) {
  static constexpr std::array<std::string_view, 3> names{"IPv4", "IPv6", "Unix"};
  return names.at(static_cast<std::size_t>(t));
}

/// A folder of its own for sockets, which goes with the object.
class temporary_folder {
 public:
  temporary_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "parley-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::string operator/(std::string_view name) const {
    return (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

/// Whether this machine can; if not, the test that asks is skipped, and says so.
inline void require_ipv6() {
  asio::io_context context;
  asio::ip::tcp::acceptor probe(context);
  std::error_code ec;
  probe.open(asio::ip::tcp::v6(), ec);
  if (!ec) probe.bind(asio::ip::tcp::endpoint(asio::ip::address_v6::loopback(), 0), ec);
  if (ec) SKIP("this machine has no IPv6 loopback: " << ec.message());
}

/// A listener on a port, or in a folder, of its own, and how to reach it.
template <typename Protocol = session, typename Clock = std::chrono::steady_clock>
class served {
 public:
  using peer_type = basic_peer<any_socket, Protocol, Clock>;

  served(asio::io_context& context, transport t, options o = {})
      : listener(context.get_executor(), std::move(o)), transport_(t) {
    if (t == transport::ipv6) require_ipv6();
    if (t == transport::unix_socket)
      listener.listen_unix(path());
    else
      listener.listen(host(), 0);
  }

  [[nodiscard]] std::string host() const {
    return transport_ == transport::ipv6 ? "::1" : "127.0.0.1";
  }
  [[nodiscard]] std::string path() const { return folder_ / "socket"; }
  [[nodiscard]] unsigned short port() const {
    return parley::port_of(listener.endpoints().front());
  }

  /// Completes with a peer that this listener has welcomed.
  asio::awaitable<peer_type> dial(options o = {}) const {
    if (transport_ == transport::unix_socket) {
      unix_connector to{path()};
      return parley::dial<Protocol, Clock>(std::move(to), std::move(o));
    }
    tcp_connector to{host(), std::to_string(port())};
    return parley::dial<Protocol, Clock>(std::move(to), std::move(o));
  }

  /// A connected socket that speaks no protocol.
  [[nodiscard]] any_socket connect(asio::io_context& context) const {
    any_socket s(context);
    s.connect(listener.endpoints().front());
    return s;
  }

  basic_listener<Protocol, Clock> listener;

 private:
  transport transport_;
  temporary_folder folder_;
};

/// Two peers in conversation over a real socket: `left` has dialed, `right` was accepted.
template <typename Protocol = session, typename Clock = std::chrono::steady_clock>
struct socket_pair {
  using peer_type = basic_peer<any_socket, Protocol, Clock>;

  explicit socket_pair(transport t, options left_options = {}, options right_options = {})
      : server(context, t, std::move(right_options)) {
    auto accepted = launch(context, server.listener.accept());
    left = test::run(context, server.dial(std::move(left_options)));
    test::run_until(context, [&] { return accepted.done(); });
    right = accepted.get();
  }

  template <typename... Work>
  auto run(Work... work) {
    return test::run(context, std::move(work)...);
  }
  template <typename Done>
  void run_until(Done done) {
    test::run_until(context, std::move(done));
  }

  asio::io_context context;  // first: it must outlive all that waits on it
  served<Protocol, Clock> server;
  peer_type left;
  peer_type right;
};

}  // namespace parley::test
