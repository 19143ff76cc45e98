#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <zmq.h>

#include "blocking_work.hpp"
#include "contender.hpp"
#include "peers.hpp"

namespace bench {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + zmq_strerror(zmq_errno()));
}

void require(int result, const char* what) {
  if (result == -1) fail(what);
}

/// A PAIR socket with a context of its own. For one thread. When it goes, it first waits until what
/// was sent has left: both linger without end unless told otherwise.
class zeromq_channel {
 public:
  explicit zeromq_channel(const trial& t) {
    if (!context_ || !socket_) fail("zmq_socket");
    set(ZMQ_SNDHWM, queue_length(t));
    set(ZMQ_RCVHWM, queue_length(t));
    zmq_msg_init(&received_);
  }
  zeromq_channel(const zeromq_channel&) = delete;
  zeromq_channel& operator=(const zeromq_channel&) = delete;
  ~zeromq_channel() { zmq_msg_close(&received_); }

  std::string listen() {
    require(zmq_bind(socket_.get(), "tcp://127.0.0.1:*"), "zmq_bind");
    std::array<char, 256> address{};
    std::size_t size = address.size();
    require(zmq_getsockopt(socket_.get(), ZMQ_LAST_ENDPOINT, address.data(), &size),
            "zmq_getsockopt");
    return address.data();
  }
  void connect(const std::string& address) {
    require(zmq_connect(socket_.get(), address.c_str()), "zmq_connect");
  }

  void send(std::string_view body) {
    require(zmq_send(socket_.get(), body.data(), body.size(), 0), "zmq_send");
  }
  bool try_send(std::string_view body) {
    return succeeded(zmq_send(socket_.get(), body.data(), body.size(), ZMQ_DONTWAIT), "zmq_send");
  }
  std::string_view receive() {
    require(zmq_msg_recv(&received_, socket_.get(), 0), "zmq_msg_recv");
    return body();
  }
  std::optional<std::string_view> try_receive() {
    if (!succeeded(zmq_msg_recv(&received_, socket_.get(), ZMQ_DONTWAIT), "zmq_msg_recv"))
      return std::nullopt;
    return body();
  }
  void send_back() { require(zmq_msg_send(&received_, socket_.get(), 0), "zmq_msg_send"); }

  void wait() {
    zmq_pollitem_t item{socket_.get(), 0, ZMQ_POLLIN | ZMQ_POLLOUT, 0};
    require(zmq_poll(&item, 1, -1), "zmq_poll");
  }

 private:
  using context_pointer = std::unique_ptr<void, int (*)(void*)>;

  // A full queue of a PAIR makes the sender wait. ZeroMQ's own 1,000 is as fast as any, even with
  // the smallest messages.
  static int queue_length(const trial& t) {
    return static_cast<int>(std::max<std::uint64_t>(1'000, t.outstanding));
  }

  // EAGAIN: no message, or no room, without waiting.
  static bool succeeded(int result, const char* what) {
    if (result == -1 && zmq_errno() == EAGAIN) return false;
    require(result, what);
    return true;
  }

  void set(int option, int value) {
    require(zmq_setsockopt(socket_.get(), option, &value, sizeof value), "zmq_setsockopt");
  }

  [[nodiscard]] std::string_view body() {
    return {static_cast<const char*>(zmq_msg_data(&received_)), zmq_msg_size(&received_)};
  }

  context_pointer context_{zmq_ctx_new(), zmq_ctx_term};
  context_pointer socket_{zmq_socket(context_.get(), ZMQ_PAIR), zmq_close};
  zmq_msg_t received_{};
};

class zeromq final : public contender {
 public:
  [[nodiscard]] std::string name() const override { return "ZeroMQ PAIR"; }

  void serve(const trial& t, const announce& tell) override {
    zeromq_channel channel(t);
    tell(channel.listen());
    blocking_work(channel, t).serve();
  }

  figures call(const trial& t, const std::string& address) override {
    zeromq_channel channel(t);
    channel.connect(address);
    return blocking_work(channel, t).call();
  }
};

}  // namespace

std::unique_ptr<contender> make_zeromq() { return std::make_unique<zeromq>(); }

}  // namespace bench
