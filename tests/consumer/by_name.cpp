// Somebody's program that includes each header by its name, where others include parley.hpp and
// tls.hpp. It is compiled, and not run.

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <asio/io_context.hpp>
#include <parley/connect.hpp>
#include <parley/credentials.hpp>
#include <parley/dial.hpp>
#include <parley/endpoint.hpp>
#include <parley/error.hpp>
#include <parley/event.hpp>
#include <parley/identity.hpp>
#include <parley/invitation.hpp>
#include <parley/invitations.hpp>
#include <parley/listener.hpp>
#include <parley/message.hpp>
#include <parley/options.hpp>
#include <parley/peer.hpp>
#include <parley/printable.hpp>
#include <parley/protocols.hpp>
#include <parley/run_spinning.hpp>
#include <parley/stats.hpp>
#include <parley/tls.hpp>
#include <parley/utf8.hpp>
#include <parley/version.hpp>

using credentials = std::shared_ptr<const parley::credentials>;

parley::options settings(std::function<void(std::string)> log) {
  parley::options o;
  o.name = "somebody, with parley " PARLEY_VERSION;
  o.on_event = [log = std::move(log)](const parley::event& e) {
    if (e.reason && !parley::is_final(e.reason)) log(parley::printable(e.detail));
  };
  return o;
}

asio::awaitable<void> say_line(std::string host, std::string line) {
  const parley::tcp_connector there{std::move(host), "7117"};
  auto peer = co_await parley::dial<parley::lines>(there);
  if (parley::is_utf8(line)) co_await peer.send(line);
  co_await peer.close();
}

asio::awaitable<std::uint64_t> confide(credentials me, parley::invitation to, std::string words) {
  const parley::tcp_connector there{to.address, "7117"};
  parley::tls_connector by(there, std::move(me), parley::only(to.listener), to.secret);
  parley::tls_peer peer = co_await parley::dial(by);
  const parley::receipt said = co_await peer.send(words);
  const bool delivered = co_await peer.delivered(said);
  if (!delivered) throw std::system_error(peer.reason());
  const parley::stats so_far = peer.statistics();
  co_await peer.close();
  co_return so_far.bytes_sent;
}

asio::awaitable<void> listen(credentials me, std::function<void(std::string)> log) {
  const auto executor = co_await asio::this_coro::executor;
  std::optional<parley::identity> friendly;
  auto guests = std::make_shared<parley::invitations>([&](const auto& who) { friendly = who; });
  const auto until = std::chrono::system_clock::now() + std::chrono::hours(24);
  log(to_string(guests->make(me->id(), "192.0.2.7", until)));
  const auto admits = [&](const parley::identity& who) {
    return who == friendly ? std::error_code{} : make_error_code(parley::errc::unknown_identity);
  };
  parley::tls_listener listener(executor, settings(log), parley::tls_security(me, admits, guests));
  listener.listen("", 0);
  log(parley::to_string(listener.endpoints().front()));
  parley::tls_peer peer = co_await listener.accept();
  while (auto message = co_await peer.receive()) log(parley::printable(message->body));
}

void serve(credentials me, std::function<void(std::string)> log) {
  asio::io_context io;
  asio::co_spawn(io, listen(std::move(me), std::move(log)), [](std::exception_ptr failed) {
    if (failed) std::rethrow_exception(failed);
  });
  parley::run_spinning(io, std::chrono::microseconds(20));
}
