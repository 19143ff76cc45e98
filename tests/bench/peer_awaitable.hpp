#pragma once

#include <string>
#include <utility>

#include "awaitable_work.hpp"
#include "contender.hpp"
#include "tcp_ends.hpp"

namespace bench {

/// Two programs with a thread each that do their work over such a channel.
template <awaitable_channel Channel>
class awaitable_peer final : public contender {
 public:
  explicit awaitable_peer(std::string name) : name_(std::move(name)) {}

  [[nodiscard]] std::string name() const override { return name_; }

  void serve(const trial& t, const announce& tell) override {
    context io(1);
    Channel channel(tcp_ends<library>::accept_one(io, tell), t);
    library::spawn(io, serve_over(channel, t));
    io.run();
  }

  figures call(const trial& t, const std::string& port) override {
    context io(1);
    Channel channel(tcp_ends<library>::connect_to(io, port), t);
    figures seen;
    library::spawn(io, call_over(channel, t, seen));
    io.run();
    return seen;
  }

 private:
  using library = typename Channel::library;
  using context = typename library::context;
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

  std::string name_;
};

}  // namespace bench
