#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <concepts>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/detail/asio.hpp>
#include <parley/endpoint.hpp>

namespace parley::detail {

/// The sockets on which a listener listens, and the files that belong to them.
///
/// Acceptors stay where they are until the object goes. Not safe for sharing between threads.
class acceptors {
 public:
  explicit acceptors(asio::any_io_executor e) : executor_(std::move(e)) {}
  acceptors(const acceptors&) = delete;
  acceptors& operator=(const acceptors&) = delete;
  ~acceptors() { close(); }

  /// Listens on a local address; "" is all of them. Throws `std::system_error`.
  any_acceptor& open(const std::string& address, unsigned short port) {
    if (!address.empty()) return add(asio::ip::tcp::endpoint(resolve(address), port));
    try {
      return add(asio::ip::tcp::endpoint(asio::ip::tcp::v6(), port));
    } catch (const std::system_error& e) {
      if (e.code() != asio::error::address_family_not_supported) throw;
    }
    return add(asio::ip::tcp::endpoint(asio::ip::tcp::v4(), port));  // a system without IPv6
  }

  /// Listens on a Unix socket, whose file goes with this object. Throws `std::system_error`.
  any_acceptor& open_unix(const std::string& path) {
    const asio::local::stream_protocol::endpoint at(path);
    remove_stale(at);
    auto& a = add(at);
    paths_.push_back(path);
    return a;
  }

  /// In the order of the calls.
  [[nodiscard]] std::vector<endpoint> endpoints() const {
    std::vector<endpoint> all;
    all.reserve(acceptors_.size());
    for (const auto& a : acceptors_) all.push_back(a->local_endpoint());
    return all;
  }

  void close() {
    std::error_code ignored;  // what cannot be closed or removed is no use to anybody
    for (const auto& a : acceptors_) a->close(ignored);
    for (const auto& path : paths_) ::unlink(path.c_str());
    paths_.clear();
  }

 private:
  static asio::ip::address resolve(const std::string& address) {
    std::error_code not_numeric;
    if (const auto a = asio::ip::make_address(address, not_numeric); !not_numeric) return a;
    asio::io_context local;
    asio::ip::tcp::resolver resolver(local);
    return resolver.resolve(address, "", asio::ip::tcp::resolver::passive)
        .begin()
        ->endpoint()
        .address();
  }

  static void remove_stale(const asio::local::stream_protocol::endpoint& at) {
    struct stat found;  // a file that is no socket refuses a connection too: it is not ours
    if (::lstat(at.path().c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return;
    asio::io_context local;
    asio::local::stream_protocol::socket probe(local);
    std::error_code ec;
    probe.connect(at, ec);
    if (ec == asio::error::connection_refused) ::unlink(at.path().c_str());
  }

  template <typename Endpoint>
  any_acceptor& add(const Endpoint& at) {
    auto a = std::make_unique<any_acceptor>(executor_);
    a->open(endpoint(at).protocol());
    if constexpr (std::same_as<Endpoint, asio::ip::tcp::endpoint>) {
      a->set_option(asio::socket_base::reuse_address(true));
      if (at.address().is_v6()) {
        std::error_code only_v6;  // some systems cannot: then IPv6 alone is served
        a->set_option(asio::ip::v6_only(!at.address().is_unspecified()), only_v6);
      }
    }
    a->bind(at);
    a->listen();
    acceptors_.push_back(std::move(a));
    return *acceptors_.back();
  }

  asio::any_io_executor executor_;
  std::vector<std::unique_ptr<any_acceptor>> acceptors_;
  std::vector<std::string> paths_;
};

}  // namespace parley::detail
