#include <iostream>

#include <asio/io_context.hpp>
#include <parley/parley.hpp>

asio::awaitable<void> greet() {
  parley::peer peer = co_await parley::dial("localhost", "7117");
  co_await peer.send("hello");
  while (auto message = co_await peer.receive())  // nullopt: the peer has said goodbye
    std::cout << parley::printable(message->body) << '\n';
  co_await peer.close();
}

int main() {
  asio::io_context io;
  asio::co_spawn(io, greet(), [](std::exception_ptr failed) {
    if (failed) std::rethrow_exception(failed);
  });
  io.run();
}
