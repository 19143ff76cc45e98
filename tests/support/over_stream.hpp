#pragma once

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/read.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/detail/spawn.hpp>
#include <parley/dial.hpp>
#include <parley/options.hpp>
#include <parley/peer.hpp>
#include <parley/protocol/greeting.hpp>

#include "support/manual_clock.hpp"
#include "support/one_connection.hpp"

// Two peers over one stream each, of any kind, in virtual time.
namespace parley::test {

namespace frame = protocol::frame;

template <typename Stream>
using peer_over = basic_peer<Stream, session, manual_clock>;
/// A connector that gives a stream which exists already.
template <typename Stream>
struct over {
  std::shared_ptr<Stream> stream;

  asio::awaitable<Stream> operator()() const { return give(stream); }

 private:
  static asio::awaitable<Stream> give(std::shared_ptr<Stream> s) { co_return std::move(*s); }
};

template <typename Stream>
asio::awaitable<peer_over<Stream>> dial_over(Stream s, options o = {}) {
  over<Stream> connector{std::make_shared<Stream>(std::move(s))};
  return parley::dial<session, manual_clock>(std::move(connector), one_connection(std::move(o)));
}

/// The only connection of a conversation.
template <typename Conversation>
asio::awaitable<void> carry(std::shared_ptr<Conversation> c) {
  const auto why = co_await c->run();
  c->end(c->protocol().settled() ? std::error_code{} : why);
}

/// What a listener does for one caller, on any stream.
template <typename Stream>
asio::awaitable<peer_over<Stream>> answer_over(Stream s, options o = {}) {
  using conversation = typename peer_over<Stream>::conversation_type;
  using frame::header_size;
  std::string bytes(header_size, '\0');
  co_await asio::async_read(s, asio::buffer(bytes), asio::use_awaitable);
  bytes.resize(frame::read_header(bytes).size());
  co_await asio::async_read(s, asio::buffer(bytes.data() + header_size, bytes.size() - header_size),
                            asio::use_awaitable);
  frame::hello hello;
  if (frame::decode(std::string_view(bytes).substr(header_size), hello))
    throw std::runtime_error("no hello");

  const auto executor = co_await asio::this_coro::executor;
  const auto settings = std::make_shared<const options>(std::move(o));
  const auto c = std::make_shared<conversation>(executor, settings, hello.session);
  if (c->protocol().answer(hello, manual_clock::now())) throw std::runtime_error("refused");
  c->next_attempt();
  c->attach(std::move(s));
  detail::spawn(executor, carry(c));
  co_return peer_over<Stream>(c);
}

}  // namespace parley::test
