#pragma once

#include <cerrno>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/detail/acceptors.hpp>
#include <parley/detail/asio.hpp>
#include <parley/detail/move_to_executor.hpp>
#include <parley/detail/pending_accepts.hpp>
#include <parley/detail/read_hello.hpp>
#include <parley/detail/session_registry.hpp>
#include <parley/detail/spawn.hpp>
#include <parley/endpoint.hpp>
#include <parley/options.hpp>
#include <parley/peer.hpp>
#include <parley/protocol/greeting.hpp>
#include <parley/protocols.hpp>

namespace parley {

/// How a caller's socket becomes the stream of its conversation: it is that stream.
struct plaintext {
  using stream_type = any_socket;
  [[nodiscard]] static any_socket wrap(any_socket s) { return s; }
  [[nodiscard]] static any_socket& socket_of(any_socket& s) noexcept { return s; }
};

/// Accepts callers, answers their greetings, and hands out the peers that come of it.
///
/// Callers over `options::max_peers` are told *busy*; one that greets badly or not in time is sent
/// away, which no other notices. If the one told *busy* has the identity of a peer whom another
/// conversation waits for, that peer may have been started anew: it has two `options::retry_most`
/// to come back, then that conversation ends. Dropping the listener ends no conversation that was
/// handed out.
///
///   parley::listener listener(executor);
///   listener.listen("", 7117);                       // all addresses, IPv6 and IPv4
///   parley::peer peer = co_await listener.accept();
///
/// Not safe for sharing between threads: peers live on the listener's executor.
template <typename Protocol = session, typename Clock = std::chrono::steady_clock,
          typename Security = plaintext>
class basic_listener {
 public:
  using stream_type = typename Security::stream_type;
  using peer_type = basic_peer<stream_type, Protocol, Clock>;

  /// Throws `std::invalid_argument` if the options cannot work.
  explicit basic_listener(const asio::any_io_executor& e, options o = {}, Security s = {})
      : state_(std::make_shared<state>(e, checked(std::move(o)), std::move(s))) {}
  basic_listener(const basic_listener&) = delete;
  basic_listener& operator=(const basic_listener&) = delete;
  basic_listener(basic_listener&&) noexcept = default;
  basic_listener& operator=(basic_listener&&) = delete;
  ~basic_listener() {
    if (state_) close();
  }

  /// Listens on a local address; "" is all of them, IPv6 and IPv4 at once. A port of 0 is chosen by
  /// the system: see `endpoints()`. May be called again for more. Throws `std::system_error`.
  void listen(const std::string& address, unsigned short port) {
    detail::spawn(state_->executor, accept_loop(state_, state_->acceptors.open(address, port)));
  }

  /// Listens on a Unix socket. A file left behind by a process that is gone is replaced; the own
  /// one is removed with the listener. Throws `std::system_error`.
  void listen_unix(const std::string& path) {
    detail::spawn(state_->executor, accept_loop(state_, state_->acceptors.open_unix(path)));
  }

  /// Where this listens, in the order of the calls.
  [[nodiscard]] std::vector<endpoint> endpoints() const { return state_->acceptors.endpoints(); }

  /// Shares this listener's callers with `other`, which may live on another thread: each goes to
  /// one of them all by his session's id, and so comes back to the one that knows him. Limits are
  /// each listener's own. Call this before `listen`; `other` must stay open as long as this.
  void share_with(const basic_listener& other)
    requires std::same_as<Security, plaintext>
  {
    state_->others.push_back(other.state_);
  }

  /// Completes with the next peer whose greeting was good. Throws `operation_aborted` once the
  /// listener is closed.
  asio::awaitable<peer_type> accept() { return state_->registry->next_peer(); }

  /// Stops listening; peers that were not handed out are aborted. Conversations go on, but none
  /// whose connection breaks can come back any more.
  void close() {
    const auto self = state_;
    self->acceptors.close();
    self->pending.drop_all();
    self->registry->close();
  }

 private:
  using registry_type = detail::session_registry<peer_type>;

  static std::shared_ptr<const options> checked(options o) {
    validate(o);
    return std::make_shared<const options>(std::move(o));
  }

  struct state {
    state(const asio::any_io_executor& e, std::shared_ptr<const options> o, Security s)
        : executor(e),
          settings(std::move(o)),
          security(std::move(s)),
          acceptors(e),
          pending(e, *settings),
          registry(std::make_shared<registry_type>(e, settings)) {}
    asio::any_io_executor executor;
    std::shared_ptr<const options> settings;
    Security security;
    detail::acceptors acceptors;
    detail::pending_accepts pending;
    std::shared_ptr<registry_type> registry;
    std::vector<std::weak_ptr<state>> others;  ///< with whom callers are shared; nobody's owner
    std::size_t next = 0;                      ///< number of the next caller who has no session

    [[nodiscard]] bool open() const noexcept { return registry->is_open(); }
    void turned_away(std::error_code why, const detail::pending_accept& c,
                     const stream_type& s) const {
      if (!settings->on_event) return;
      const std::string at = c.who();
      settings->on_event({.what = event::kind::turned_away,
                          .reason = why,
                          .detail = at,
                          .who = detail::shown_by(s)});
    }
  };
  using shared = std::shared_ptr<state>;

  /// Where a caller of this number belongs, each time; none: here.
  static shared home(const state& self, std::size_t number) {
    const std::size_t i = number % (self.others.size() + 1);
    return i == 0 ? nullptr : self.others[i - 1].lock();
  }
  static std::size_t number_of(const protocol::frame::session_id& id) {
    return std::hash<std::string_view>()({reinterpret_cast<const char*>(id.data()), id.size()});
  }

  // --- callers ---------------------------------------------------------------------------------

  /// Whether the system has run out of something that others may give back.
  static bool exhausted(std::error_code ec) noexcept {
    // Asio's category does not compare with std::errc, hence the number.
    return ec == asio::error::no_descriptors || ec == asio::error::no_buffer_space ||
           ec == asio::error::no_memory ||
           ec == std::error_code(ENFILE, asio::error::get_system_category());
  }

  static asio::awaitable<void> accept_loop(shared self, any_acceptor& from) {
    asio::steady_timer pause(self->executor);
    while (self->open()) {
      std::error_code ec;
      any_socket s = co_await from.async_accept(asio::redirect_error(asio::use_awaitable, ec));
      if (!self->open()) co_return;
      if (exhausted(ec) && !self->pending.drop_oldest_silent()) {
        // To try at once would spin: 2 million failures a second were measured.
        pause.expires_after(std::chrono::milliseconds(50));
        co_await pause.async_wait(asio::use_awaitable);
      }
      if (ec) continue;  // or the caller is gone already (ECONNABORTED): the next may be there
      detail::spawn(self->executor, serve(self, std::move(s)));
    }
  }

  static asio::awaitable<void> serve(shared self, any_socket s) {
    auto stream = self->security.wrap(std::move(s));
    detail::pending_accept who(self->pending, Security::socket_of(stream));
    if constexpr (requires { self->security.secure(who, stream); }) {
      const auto bad = co_await self->security.secure(who, stream);
      if (bad && self->open()) self->turned_away(bad, who, stream);
      if (bad) co_return;
    }
    if constexpr (Protocol::resumable) {
      auto said = std::make_unique<detail::received_hello>();
      co_await detail::read_hello(who, stream, *said);
      if (!self->open()) co_return;
      const auto other = said->failed ? nullptr : home(*self, number_of(said->hello.session));
      if (other)
        hand_over(stream, other, std::move(said));
      else
        co_await answer(self, who, stream, *said);
    } else {
      const auto other = home(*self, self->next++);
      if (other)
        hand_over(stream, other, nullptr);
      else
        co_await admit(self, who, stream);
    }
  }

  /// The caller goes on at another listener, on that one's executor.
  static void hand_over(stream_type& stream, const shared& other,
                        std::unique_ptr<detail::received_hello> said) {
    if constexpr (std::same_as<Security, plaintext>) {
      auto s = detail::move_to_executor(stream, other->executor);
      if (s) detail::spawn(other->executor, take_over(other, std::move(*s), std::move(said)));
    }
  }

  static asio::awaitable<void> take_over(shared self, any_socket s,
                                         std::unique_ptr<detail::received_hello> said) {
    if (!self->open()) co_return;
    detail::pending_accept who(self->pending, s);
    if constexpr (Protocol::resumable)
      co_await answer(self, who, s, *said);
    else
      co_await admit(self, who, s);
  }

  /// Begins a conversation with a caller of whom no greeting is expected.
  static asio::awaitable<void> admit(const shared& self, detail::pending_accept& who,
                                     stream_type& stream) {
    if (!self->registry->is_full()) {
      self->registry->admit(std::move(stream));
      co_return;
    }
    self->turned_away(errc::refused_busy, who, stream);
    const std::string busy = "parley: busy with another conversation\n";
    co_await detail::say_last(who, stream, busy);
  }

  static asio::awaitable<void> answer(const shared& self, detail::pending_accept& who,
                                      stream_type& stream, const detail::received_hello& said) {
    protocol::frame::refusal r;
    if (said.failed) {
      self->turned_away(said.failed, who, stream);
      if (said.failed != errc::malformed_frame) co_return;
    } else {
      const auto refused = co_await judge(self, who, stream, said.hello);
      if (!refused) co_return;
      r = *refused;
      self->turned_away(to_errc(r.reason), who, stream);
    }
    co_await detail::say_last(who, stream, protocol::frame::encode(r));
  }

  /// Lets a caller in whose hello is sound; completes with why not, or with nothing also where he
  /// is gone.
  static asio::awaitable<std::optional<protocol::frame::refusal>> judge(
      const shared& self, detail::pending_accept& who, stream_type& stream,
      const protocol::frame::hello& hello) {
    if constexpr (requires { self->security.refuses(stream, hello); })
      if (const auto refused = self->security.refuses(stream, hello)) co_return refused;
    co_await self->registry->make_way(hello, detail::peer_of(stream));
    if (!self->open() || detail::has_hung_up(who.socket)) co_return std::nullopt;
    co_return self->registry->admit(hello, stream);
  }

  shared state_;
};

/// A listener for parley's own protocol.
using listener = basic_listener<>;

}  // namespace parley
