// Any callers of a listener that keeps a conversation whose connection broke: each gets one
// welcome, or one refusal, or nothing; who was not welcomed has harmed nothing, so that the dialer
// goes on with it and every message arrives once. Each caller begins with a byte that makes it any
// bytes, or the right hello with some of its bytes changed.

#include <array>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/write.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/protocol/frame.hpp>
#include <parley/protocols.hpp>

#include "input.hpp"
#include "support/feed.hpp"
#include "support/manual_clock.hpp"
#include "support/pipe_listener.hpp"
#include "support/pipe_stream.hpp"

namespace {

using parley::fuzz::demand;
namespace frame = parley::protocol::frame;
using namespace parley::test;
using peer_type = pipe_listener<pipe_stream>::peer_type;

constexpr frame::session_id id{1};
constexpr unsigned most_callers = 20;  // their time together is less than a conversation is kept
constexpr std::chrono::seconds too_long{6};

parley::options small_limits() {
  parley::options o;
  o.max_message = 1000;
  o.window = 4000;
  o.outbox = 4000;
  o.max_peers = 3;
  return o;
}

/// A caller's end of a connection: all that the listener says is heard.
class caller {
 public:
  caller(asio::io_context& context, pipe_listener<pipe_stream>& to)
      : caller(context, make_pipe(context.get_executor()), to) {}
  caller(const caller&) = delete;
  caller& operator=(const caller&) = delete;
  ~caller() {
    std::error_code ignored;  // there is none
    stream_.close(ignored);
    manual_clock::settle(context_);
  }

  /// `bytes` are taken, as long as the listener is there.
  void say(std::string_view bytes) {
    asio::async_write(stream_, asio::buffer(bytes), [](std::error_code, std::size_t) {});
    manual_clock::settle(context_);
  }

  [[nodiscard]] std::string heard() { return std::exchange(heard_, {}); }

 private:
  caller(asio::io_context& context, std::pair<pipe_stream, pipe_stream> ends,
         pipe_listener<pipe_stream>& to)
      : context_(context), stream_(std::move(ends.first)) {
    to.call(std::move(ends.second));
    listen();
    manual_clock::settle(context_);
  }

  void listen() {
    stream_.async_read_some(asio::buffer(room_), [this](std::error_code ec, std::size_t n) {
      heard_.append(room_.data(), n);
      if (!ec) listen();
    });
  }

  asio::io_context& context_;
  pipe_stream stream_;
  std::array<char, 4096> room_;
  std::string heard_;
};

/// The two whose conversation it is.
struct conversation {
  asio::io_context context;
  pipe_listener<pipe_stream> listener{context.get_executor(), small_limits()};
  parley::session dialer{small_limits(), id};
  std::optional<peer_type> peer;

  conversation() {
    asio::co_spawn(context, listener.accept(), [this](const std::exception_ptr& e, peer_type p) {
      if (!e) peer.emplace(std::move(p));
    });
  }

  /// The dialer's next connection, on which all is said that there is to say.
  void connect() {
    caller c(context, listener);
    dialer.dial(manual_clock::now());
    do {
      const std::string bytes = drain(dialer, manual_clock::now());
      c.say(bytes);
      demand(!feed(dialer, c.heard(), manual_clock::now()));
      demand(dialer.connected());
    } while (dialer.wants_write());
    dialer.detach();
  }
};

/// What the dialer would say next, and nobody else can know.
frame::hello right_hello() {
  const auto o = small_limits();
  frame::hello h;
  h.session = id;
  h.attempt = 2;
  h.welcomed = 1;
  h.window = static_cast<std::uint32_t>(o.window);
  h.max_message = static_cast<std::uint32_t>(o.max_message);
  h.heartbeat_ms = static_cast<std::uint16_t>(o.heartbeat.count());
  return h;
}

std::string words_of(parley::fuzz::input& in) {
  const std::size_t kind = in.byte();
  if (kind < 128) return std::string(in.bytes(kind * 5));  // up to more than a hello may have
  std::string right = encode(right_hello());
  for (std::size_t n = kind % 16; n > 0; --n) {
    char& changed = right[in.byte() % right.size()];
    changed = static_cast<char>(changed ^ static_cast<char>(in.byte()));
  }
  return right.append(in.bytes(kind % 128 / 16));  // a dialer waits for the answer
}

std::pair<std::string_view, std::string_view> cut(std::string_view words, std::size_t at) {
  const auto first = words.substr(0, at);
  return {first, words.substr(first.size())};
}

/// One caller, from the first byte to the answer. True: the conversation is now with this one.
bool takes_over(conversation& of, parley::fuzz::input& in) {
  const std::string words = words_of(in);
  const std::size_t pause = in.byte();
  const auto [first, rest] = cut(words, pause);
  caller c(of.context, of.listener);
  c.say(first);
  if (!rest.empty()) c.say(rest);
  if (pause % 4 == 0) manual_clock::advance(of.context, too_long);
  const std::string answer = c.heard();
  if (answer.empty()) return false;
  demand(answer.size() >= frame::header_size && words.size() >= frame::header_size);
  const auto head = frame::read_header(answer);
  const auto body = std::string_view(answer).substr(frame::header_size);
  const auto question = frame::read_header(words);
  frame::hello asked;
  demand(
      !frame::decode(std::string_view(words).substr(frame::header_size, question.length), asked));
  if (head.is(frame::type::refuse)) {
    frame::refusal r;
    demand(head.size() == answer.size() && !frame::decode(body, r));
    return false;
  }
  frame::welcome w;
  demand(head.is(frame::type::welcome) && !frame::decode(body.substr(0, head.length), w));
  demand(w.session == asked.session && w.attempt == asked.attempt);
  if (w.session != id) return false;
  const auto right = right_hello();
  demand(asked.attempt >= right.attempt && asked.welcomed <= right.welcomed);
  demand(asked.next == 0 && asked.base == 0 && asked.window == right.window);
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using parley::send_result;
  parley::fuzz::input in(data, size);
  conversation c;
  c.connect();
  demand(c.peer.has_value());
  for (const auto text : {"one", "two"}) demand(c.peer->try_send(text) == send_result::queued);
  demand(c.dialer.push("answer", 0) == send_result::queued);
  for (unsigned n = 0; n < most_callers && !in.empty(); ++n)
    if (takes_over(c, in)) return 0;

  c.connect();
  const auto heard = take_all(c.dialer, manual_clock::now());
  demand(heard.size() == 2 && heard[0] == "one" && heard[1] == "two");
  const auto answer = c.peer->try_receive();
  demand(answer.has_value() && answer->body == "answer" && !c.peer->try_receive());
  return 0;
}
