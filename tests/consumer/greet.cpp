#include <exception>
#include <iostream>
#include <string>

#include <asio/io_context.hpp>
#include <parley/parley.hpp>

asio::awaitable<void> greet(std::string host, std::string port) {
  parley::peer peer = co_await parley::dial(host, port);
  co_await peer.send("hello");
  while (auto message = co_await peer.receive())  // nullopt: the peer has said goodbye
    std::cout << parley::printable(message->body) << '\n';
  co_await peer.close();
}

int main(int, char* argv[]) {
  asio::io_context io;
  asio::co_spawn(io, greet(argv[1], argv[2]), [](std::exception_ptr failed) {
    if (failed) std::rethrow_exception(failed);
  });
  io.run();
}
