#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <poll.h>

#include "blocking_work.hpp"
#include "contender.hpp"
#include "peers.hpp"

namespace bench {
namespace {

void require(int result, const char* what) {
  if (result != 0) throw std::runtime_error(std::string(what) + ": " + nng_strerror(result));
}

struct free_message {
  void operator()(nng_msg* m) const noexcept { nng_msg_free(m); }
};
using message_pointer = std::unique_ptr<nng_msg, free_message>;

[[nodiscard]] message_pointer make_message(std::string_view body) {
  nng_msg* made = nullptr;
  require(nng_msg_alloc(&made, body.size()), "nng_msg_alloc");
  std::memcpy(nng_msg_body(made), body.data(), body.size());
  return message_pointer(made);
}

/// A pair socket. For one thread; the library has threads of its own.
class nng_channel {
 public:
  explicit nng_channel(const trial& t) {
    require(nng_pair1_open(&socket_), "nng_pair1_open");
    set(NNG_OPT_SENDBUF, queue_length(t));
    set(NNG_OPT_RECVBUF, queue_length(t));
    require(nng_pipe_notify(socket_, NNG_PIPE_EV_REM_POST, on_left, this), "nng_pipe_notify");
  }
  nng_channel(const nng_channel&) = delete;
  nng_channel& operator=(const nng_channel&) = delete;
  ~nng_channel() { nng_close(socket_); }

  std::string listen() {
    nng_listener listener{};
    require(nng_listen(socket_, "tcp://127.0.0.1:0", &listener, 0), "nng_listen");
    int port = 0;
    require(nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port), NNG_OPT_TCP_BOUND_PORT);
    return "tcp://127.0.0.1:" + std::to_string(port);
  }
  void connect(const std::string& address) {
    require(nng_dial(socket_, address.c_str(), nullptr, 0), "nng_dial");
  }

  void send(std::string_view body) { send(make_message(body), 0); }
  bool try_send(std::string_view body) { return send(make_message(body), NNG_FLAG_NONBLOCK); }
  void send_back() { send(std::move(received_), 0); }

  std::string_view receive() {
    receive(0);
    return body();
  }
  std::optional<std::string_view> try_receive() {
    if (!receive(NNG_FLAG_NONBLOCK)) return std::nullopt;
    return body();
  }

  void wait() {
    if (!signals_) signals_ = {signal(NNG_OPT_RECVFD), signal(NNG_OPT_SENDFD)};
    if (::poll(signals_->data(), signals_->size(), -1) < 0)
      throw std::system_error(errno, std::generic_category(), "poll");
  }

  /// Until the other end has closed: what it has not received by then, closing here would drop.
  void wait_until_left() { left_.acquire(); }

 private:
  // Without room both ends take turns at each message. Longer queues are no faster.
  static int queue_length(const trial& t) {
    return static_cast<int>(std::max<std::uint64_t>(1'000, t.outstanding));
  }

  static void on_left(nng_pipe, nng_pipe_ev, void* channel) {
    static_cast<nng_channel*>(channel)->left_.release();
  }

  void set(const char* option, int value) {
    require(nng_socket_set_int(socket_, option, value), option);
  }

  // Asked for only where it is needed: from then on the library writes to it at every change.
  [[nodiscard]] pollfd signal(const char* option) {
    int fd = -1;
    require(nng_socket_get_int(socket_, option, &fd), option);
    return {fd, POLLIN, 0};
  }

  /// Whether it was taken; false only without waiting.
  bool send(message_pointer m, int flags) {
    nng_msg* const given = m.release();
    const int result = nng_sendmsg(socket_, given, flags);
    if (result != 0) m.reset(given);  // it is only taken where all is well
    if (result == NNG_EAGAIN) return false;
    require(result, "nng_sendmsg");
    return true;
  }

  bool receive(int flags) {
    nng_msg* m = nullptr;
    const int result = nng_recvmsg(socket_, &m, flags);
    if (result == NNG_EAGAIN) return false;
    require(result, "nng_recvmsg");
    received_.reset(m);
    return true;
  }

  [[nodiscard]] std::string_view body() const {
    return {static_cast<const char*>(nng_msg_body(received_.get())), nng_msg_len(received_.get())};
  }

  nng_socket socket_{};
  message_pointer received_;
  std::optional<std::array<pollfd, 2>> signals_;
  std::binary_semaphore left_{0};
};

class nng final : public contender {
 public:
  [[nodiscard]] std::string name() const override { return "nng pair"; }

  void serve(const trial& t, const announce& tell) override {
    nng_channel channel(t);
    tell(channel.listen());
    blocking_work(channel, t).serve();
    channel.wait_until_left();
  }

  figures call(const trial& t, const std::string& address) override {
    nng_channel channel(t);
    channel.connect(address);
    return blocking_work(channel, t).call();
  }
};

}  // namespace

std::unique_ptr<contender> make_nng() { return std::make_unique<nng>(); }

}  // namespace bench
