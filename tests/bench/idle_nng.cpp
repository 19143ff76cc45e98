#include <array>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>

#include "crowd.hpp"
#include "crowd_pair.hpp"
#include "resident.hpp"

namespace bench {
namespace {

void require(int result, const char* what) {
  if (result != 0) throw std::runtime_error(std::string(what) + ": " + nng_strerror(result));
}

constexpr std::size_t word_size = 32;

nng_msg* receive(nng_socket s) {
  nng_msg* m = nullptr;
  require(nng_recvmsg(s, &m, 0), "nng_recvmsg");
  return m;
}

/// Receives a message and sends it back to whoever has sent it.
void answer_one(nng_socket s) {
  nng_msg* const m = receive(s);
  nng_msg_set_pipe(m, nng_msg_get_pipe(m));
  require(nng_sendmsg(s, m, 0), "nng_sendmsg");
}

/// One pair socket that takes many peers ("polyamorous"): what comes nearest to a listener.
void serve(std::size_t size, const std::string& host, const announce& where, const report& tell) {
  nng_socket s{};
  nng_listener listener{};
  int port = 0;
  require(nng_pair1_open_poly(&s), "nng_pair1_open_poly");
  require(nng_listen(s, ("tcp://" + host + ":0").c_str(), &listener, 0), "nng_listen");
  require(nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port), NNG_OPT_TCP_BOUND_PORT);
  where("tcp://" + host + ":" + std::to_string(port));
  answer_one(s);  // the first one: what all share is allocated by then
  const double before = resident_kib();
  const auto begun = std::chrono::steady_clock::now();
  for (std::size_t i = 1; i < size; ++i) answer_one(s);
  const std::chrono::duration<double, std::micro> set_up = std::chrono::steady_clock::now() - begun;
  answer_one(s);  // one has had its first answer, and all others theirs before
  const auto others = static_cast<double>(size - 1);
  const numbers found{(resident_kib() - before) / others, set_up.count() / others};
  tell(found);
  nng_msg_free(receive(s));  // never: until this process is killed
}

/// Sends a word and waits for it to come back.
void say(nng_socket s) {
  std::array<char, word_size> word{};
  std::size_t size = word.size();
  require(nng_send(s, word.data(), size, 0), "nng_send");
  require(nng_recv(s, word.data(), &size, 0), "nng_recv");
}

void call(std::size_t size, const std::string& address) {
  std::vector<nng_socket> all(size);
  for (nng_socket& s : all) {
    require(nng_pair1_open(&s), "nng_pair1_open");
    require(nng_dial(s, address.c_str(), nullptr, 0), "nng_dial");
    say(s);
  }
  say(all.front());
  nng_msg_free(receive(all.front()));  // never: until this process is killed
}

}  // namespace

readings measure_idle_nng(std::size_t size) {
  const std::string host = loopback_address();
  crowd_pair pair;
  pair.measures = crowd_pair::end::server;
  pair.serve = [&](const announce& where, const report& tell) { serve(size, host, where, tell); };
  pair.call = [&](const std::string& address, const report&) { call(size, address); };
  const numbers found = run_pair(pair);
  const std::string count = with_commas(size);
  return {{"idle conversation", count, "nng pair", "KiB", found.at(0)},
          {"idle conversation, set-up", count, "nng pair", "µs", found.at(1)}};
}

}  // namespace bench
