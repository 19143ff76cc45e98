#include <array>
#include <chrono>
#include <cstddef>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <zmq.h>

#include "crowd.hpp"
#include "crowd_pair.hpp"
#include "resident.hpp"

namespace bench {
namespace {

void require(int result, const char* what) {
  if (result == -1) throw std::runtime_error(std::string(what) + ": " + zmq_strerror(zmq_errno()));
}

/// PAIR sockets, as many as there are conversations: each takes one peer. They are never closed,
/// for this process is killed.
class zeromq_sockets {
 public:
  explicit zeromq_sockets(std::size_t size) : context_(zmq_ctx_new()) {
    require(zmq_ctx_set(context_, ZMQ_MAX_SOCKETS, static_cast<int>(size) + 1), "ZMQ_MAX_SOCKETS");
  }

  void* add() {
    void* const s = zmq_socket(context_, ZMQ_PAIR);
    if (s == nullptr) require(-1, "zmq_socket");
    return s;
  }
  std::string bind(const std::string& host) {
    sockets_.push_back(add());
    require(zmq_bind(sockets_.back(), ("tcp://" + host + ":*").c_str()), "zmq_bind");
    std::array<char, 256> address{};
    std::size_t size = address.size();
    require(zmq_getsockopt(sockets_.back(), ZMQ_LAST_ENDPOINT, address.data(), &size),
            "ZMQ_LAST_ENDPOINT");
    return address.data();
  }
  void connect(const std::string& address) {
    sockets_.push_back(add());
    require(zmq_connect(sockets_.back(), address.c_str()), "zmq_connect");
  }
  void send(std::size_t i) {
    require(zmq_send(sockets_[i], word.data(), word.size(), 0), "zmq_send");
  }
  void receive(std::size_t i) {
    std::array<char, 64> buffer{};
    require(zmq_recv(sockets_[i], buffer.data(), buffer.size(), 0), "zmq_recv");
  }

 private:
  static constexpr std::string_view word = "0123456789abcdef0123456789abcdef";
  void* context_;
  std::vector<void*> sockets_;
};

/// Where the sockets are is known before the first one calls; so what a socket takes that nobody
/// has called is counted, too.
void serve(std::size_t size, const std::string& host, const announce& where, const report& tell) {
  zeromq_sockets all(size);
  std::string addresses = all.bind(host);
  const double before = resident_kib();
  const auto begun = std::chrono::steady_clock::now();
  for (std::size_t i = 1; i < size; ++i) addresses += '\n' + all.bind(host);
  where(addresses);
  for (std::size_t i = 0; i < size; ++i) all.receive(i);
  for (std::size_t i = 0; i < size; ++i) all.send(i);
  const std::chrono::duration<double, std::micro> set_up = std::chrono::steady_clock::now() - begun;
  all.receive(0);  // the last of them has had its answer
  const auto others = static_cast<double>(size - 1);
  const numbers found{(resident_kib() - before) / others, set_up.count() / others};
  tell(found);
}

void call(std::size_t size, const std::string& addresses) {
  zeromq_sockets all(size);
  std::istringstream lines(addresses);
  for (std::string line; std::getline(lines, line);) all.connect(line);
  for (std::size_t i = 0; i < size; ++i) all.send(i);
  for (std::size_t i = 0; i < size; ++i) all.receive(i);
  all.send(0);
  all.receive(0);  // never: until this process is killed
}

}  // namespace

readings measure_idle_zeromq(std::size_t size) {
  const std::string host = loopback_address();
  crowd_pair pair;
  pair.measures = crowd_pair::end::server;
  pair.serve = [&](const announce& where, const report& tell) { serve(size, host, where, tell); };
  pair.call = [&](const std::string& addresses, const report&) { call(size, addresses); };
  const numbers found = run_pair(pair);
  const std::string count = with_commas(size);
  return {{"idle conversation", count, "ZeroMQ PAIR", "KiB", found.at(0)},
          {"idle conversation, set-up", count, "ZeroMQ PAIR", "µs", found.at(1)}};
}

}  // namespace bench
