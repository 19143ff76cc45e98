#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>

#include "contender.hpp"
#include "peer_work.hpp"
#include "stopwatch.hpp"

namespace bench {

/// A library's connected end, for one thread that waits within it. Its queues hold at least the
/// messages that are outstanding, so an echo cannot lock up; both ways cannot because of the calls
/// that do not wait.
template <typename Channel>
concept blocking_channel = requires(Channel& c, std::string_view body) {
  c.send(body);                                              // waits for room in the queue
  { c.receive() } -> std::convertible_to<std::string_view>;  // waits; good until the next one
  c.send_back();  // what was received last, without a copy where the library can
  { c.try_send(body) } -> std::same_as<bool>;
  { c.try_receive() } -> std::same_as<std::optional<std::string_view>>;
  c.wait();  // until one of the two may succeed
};

/// One end's work over such a channel.
///
///   const figures seen = blocking_work(channel, t).call();
template <blocking_channel Channel>
class blocking_work {
 public:
  blocking_work(Channel& channel, const trial& t) : channel_(channel), trial_(t), messages_(t) {}

  void serve() {
    meet_client();
    switch (trial_.what) {
      case work::ping_pong:
      case work::echo: return send_back_until(trial_.count);
      case work::one_way: receive_until(trial_.count); break;
      case work::both_ways: exchange(); break;
    }
    send();  // the receipt
  }

  figures call() {
    meet_server();
    stopwatch watch(trial_);
    switch (trial_.what) {
      case work::ping_pong: ping_on(watch); break;
      case work::one_way:
        send_until(trial_.count);
        receive();
        break;
      case work::both_ways:
        exchange();
        receive();
        break;
      case work::echo: keep_outstanding(); break;
    }
    return watch.stop();
  }

 private:
  // Some libraries connect when they please: all begins once a word has made its way there and
  // back.
  void meet_client() {
    channel_.receive();
    channel_.send_back();
  }
  void meet_server() {
    channel_.send("hello");
    channel_.receive();
  }

  void send() {
    channel_.send(messages_.next());
    messages_.count_sent();
  }
  void receive() { messages_.count_received(channel_.receive()); }

  void send_until(std::uint64_t count) {
    while (messages_.sent() < count) send();
  }
  void receive_until(std::uint64_t count) {
    while (messages_.received() < count) receive();
  }
  void send_back_until(std::uint64_t count) {
    while (messages_.received() < count) {
      receive();
      channel_.send_back();
    }
  }

  void ping() {
    send();
    receive();
  }
  void ping_on(stopwatch& watch) {
    while (messages_.received() < trial_.count) {
      ping();
      watch.turn();
    }
  }

  void keep_outstanding() {
    send_until(std::min(trial_.outstanding, trial_.count));
    while (messages_.received() < trial_.count) {
      receive();
      if (messages_.sent() < trial_.count) send();
    }
  }

  /// Sends while there is room and receives what has come, in turn.
  void exchange() {
    while (messages_.sent() < trial_.count && messages_.received() < trial_.count) {
      const bool sent = try_send_some();
      const bool received = try_receive_some();
      if (!sent && !received) channel_.wait();
    }
    send_until(trial_.count);
    receive_until(trial_.count);
  }

  /// Whether there was room for any.
  bool try_send_some() {
    const auto before = messages_.sent();
    const auto end = std::min(before + batch, trial_.count);
    while (messages_.sent() < end && channel_.try_send(messages_.next())) messages_.count_sent();
    return messages_.sent() != before;
  }

  /// Whether any had come.
  bool try_receive_some() {
    const auto before = messages_.received();
    const auto end = std::min(before + batch, trial_.count);
    while (messages_.received() < end) {
      const auto body = channel_.try_receive();
      if (!body) break;
      messages_.count_received(*body);
    }
    return messages_.received() != before;
  }

  // Turn and turn about after each message costs ZeroMQ a third; without an end, one way would
  // rest while the other is busy.
  static constexpr std::uint64_t batch = 256;

  Channel& channel_;
  const trial& trial_;
  numbered_messages messages_;
};

}  // namespace bench
