#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "awaitable_work.hpp"
#include "contender.hpp"

namespace bench {

/// Two programs with a thread each that do their work over such a channel.
template <awaitable_channel Channel>
class awaitable_peer final : public contender {
 public:
  explicit awaitable_peer(std::string name) : name_(std::move(name)) {}

  [[nodiscard]] std::string name() const override { return name_; }

  void serve(const trial& t, const announce& tell) override {
    context io(1);
    typename tcp::acceptor acceptor(io, loopback(0));
    tell(std::to_string(acceptor.local_endpoint().port()));
    Channel channel(without_delay(acceptor.accept()), t);
    library::spawn(io, serve_over(channel, t));
    io.run();
  }

  figures call(const trial& t, const std::string& port) override {
    context io(1);
    typename tcp::socket socket(io);
    socket.connect(loopback(static_cast<std::uint16_t>(std::stoul(port))));
    Channel channel(without_delay(std::move(socket)), t);
    figures seen;
    library::spawn(io, call_over(channel, t, seen));
    io.run();
    return seen;
  }

 private:
  using library = typename Channel::library;
  using context = typename library::context;
  using tcp = typename library::tcp;
  template <typename T>
  using task = typename library::template task<T>;

  static task<void> serve_over(Channel& channel, const trial& t) {
    co_await channel.meet_client();
    awaitable_work work(channel, t);
    co_await work.serve();
    channel.finish();
  }

  static task<void> call_over(Channel& channel, const trial& t, figures& seen) {
    co_await channel.meet_server();
    awaitable_work work(channel, t);
    seen = co_await work.call();
    channel.finish();
  }

  [[nodiscard]] static typename tcp::endpoint loopback(std::uint16_t port) {
    return {library::address_v4::loopback(), port};
  }

  [[nodiscard]] static typename tcp::socket without_delay(typename tcp::socket s) {
    s.set_option(typename tcp::no_delay(true));
    return s;
  }

  std::string name_;
};

}  // namespace bench
