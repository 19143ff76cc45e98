// A program of somebody else's, the other side of greet.cpp: two files that both include parley, so
// that a definition which is not inline shows.

#include <iostream>

#include <asio/io_context.hpp>
#include <parley/parley.hpp>

std::string answer_to(const parley::message& message);

asio::awaitable<void> answer(unsigned short port) {
  parley::listener listener(co_await asio::this_coro::executor);
  listener.listen("", port);  // all addresses, IPv6 and IPv4; 0 is any free port
  std::cout << parley::port_of(listener.endpoints()[0]) << std::endl;
  parley::peer peer = co_await listener.accept();
  if (auto message = co_await peer.receive()) co_await peer.send(answer_to(*message));
  co_await peer.close();
}

int main() {
  asio::io_context io;
  asio::co_spawn(io, answer(0), [](std::exception_ptr failed) {
    if (failed) std::rethrow_exception(failed);
  });
  io.run();
}
