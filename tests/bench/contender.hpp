#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// What two ends do with each other.
enum class work {
  ping_pong,  ///< the client sends a message and waits for its echo, again and again
  one_way,    ///< the client sends as fast as it can; the server says when it has all
  both_ways,  ///< both send as fast as they can, and receive; the server says when it has all
  echo,       ///< the client keeps `outstanding` messages under way, which the server echoes
};

/// One measurement of one contender: the same for all of them.
struct trial {
  work what = work::ping_pong;
  std::size_t size = 32;          ///< bytes of each message, at least 16
  std::uint64_t count = 0;        ///< turns, or messages each way
  std::uint64_t outstanding = 1;  ///< messages under way at once
};

/// What the client saw.
struct figures {
  std::chrono::nanoseconds elapsed{};             ///< from the first send until the last receipt
  std::vector<std::chrono::nanoseconds> turns{};  ///< of a ping-pong: each one
};

/// Tells the client's process where the server listens: once it does.
using announce = std::function<void(const std::string& address)>;

/// A way for two processes to exchange messages. Each end runs in a process of its own, with one
/// thread of ours, and returns when the trial is over.
///
/// Every message begins with its number, from 0, in 8 bytes, and is as long as the trial says; who
/// receives checks both (`check_message`) and throws where they are wrong.
class contender {
 public:
  contender() = default;
  contender(const contender&) = delete;
  contender& operator=(const contender&) = delete;
  virtual ~contender() = default;

  [[nodiscard]] virtual std::string name() const = 0;
  /// Whether it can do this at all; bare batched sockets have no ping-pong, say.
  [[nodiscard]] virtual bool takes(const trial&) const { return true; }
  /// Whether it speaks TLS: those that do are compared with each other.
  [[nodiscard]] virtual bool encrypts() const { return false; }

  /// The server's end: listens, announces where, and serves one client.
  virtual void serve(const trial&, const announce&) = 0;
  /// The client's end. Connecting is not measured.
  virtual figures call(const trial&, const std::string& address) = 0;
};

using contenders = std::vector<std::unique_ptr<contender>>;

}  // namespace bench
