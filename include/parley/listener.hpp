#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <parley/detail/asio.hpp>
#include <parley/detail/callers.hpp>
#include <parley/detail/doors.hpp>
#include <parley/detail/greet.hpp>
#include <parley/detail/sessions.hpp>
#include <parley/detail/spawn.hpp>
#include <parley/endpoint.hpp>
#include <parley/lines.hpp>
#include <parley/options.hpp>
#include <parley/peer.hpp>
#include <parley/session.hpp>

namespace parley {

/// Accepts callers, answers their greetings, and hands out the peers that come of it.
///
/// Callers over `options::max_peers` are told *busy*; one that greets badly or not in time is sent
/// away, which no other notices. Dropping the listener ends no conversation that was handed out.
///
///   parley::listener listener(executor);
///   listener.listen("", 7117);                       // all addresses, IPv6 and IPv4
///   parley::peer peer = co_await listener.accept();
///
/// Not safe for sharing between threads: peers live on the listener's executor.
template <typename Protocol = session, typename Clock = std::chrono::steady_clock>
class basic_listener {
 public:
  using peer_type = basic_peer<any_socket, Protocol, Clock>;

  /// Throws `std::invalid_argument` if the options cannot work.
  explicit basic_listener(const asio::any_io_executor& e, options o = {})
      : state_(std::make_shared<state>(e, std::move(o))) {}
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
    detail::spawn(state_->executor, accept_loop(state_, state_->doors.open(address, port)));
  }

  /// Listens on a Unix socket. A file left behind by a process that is gone is replaced; the own
  /// one is removed with the listener. Throws `std::system_error`.
  void listen_unix(const std::string& path) {
    detail::spawn(state_->executor, accept_loop(state_, state_->doors.open_unix(path)));
  }

  /// Where this listens, in the order of the calls.
  [[nodiscard]] std::vector<endpoint> endpoints() const { return state_->doors.endpoints(); }

  /// Completes with the next peer whose greeting was good. Throws `operation_aborted` once the
  /// listener is closed.
  asio::awaitable<peer_type> accept() {
    const auto self = state_;
    while (self->open && self->ready.empty()) co_await self->changed.wait();
    if (self->ready.empty()) throw std::system_error(asio::error::operation_aborted);
    peer_type next = std::move(self->ready.front());
    self->ready.pop_front();
    co_return next;
  }

  /// Stops listening; peers that were not handed out are aborted. Conversations go on, but none
  /// whose connection breaks can come back any more.
  void close() {
    const auto self = state_;
    self->open = false;
    self->doors.close();
    self->ready.clear();
    self->callers.drop_all();
    if constexpr (resumable) self->sessions.each([](carrier& c) { c.hurry(); });
    self->changed.notify();
  }

 private:
  using carrier = typename peer_type::carrier_type;
  static constexpr bool resumable = Protocol::resumable;
  struct nothing {
    explicit nothing(std::chrono::milliseconds) noexcept {}
  };

  struct state {
    state(const asio::any_io_executor& e, options o)
        : executor(e),
          settings(std::make_shared<const options>((validate(o), std::move(o)))),
          doors(e),
          callers(e, *settings),
          sessions(settings->resume_for),
          changed(e) {}
    asio::any_io_executor executor;
    std::shared_ptr<const options> settings;
    detail::doors doors;
    detail::callers callers;
    std::conditional_t<resumable, detail::sessions<carrier>, nothing> sessions;
    std::deque<peer_type> ready;
    detail::wakeup changed;
    std::size_t peers = 0;  ///< conversations that have not ended
    bool open = true;

    void turned_away(std::error_code why, const std::string& who) const {
      if (!settings->on_event) return;
      settings->on_event({.what = event::kind::turned_away, .reason = why, .detail = who});
    }
  };
  using shared = std::shared_ptr<state>;

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
    while (self->open) {
      std::error_code ec;
      any_socket s = co_await from.async_accept(asio::redirect_error(asio::use_awaitable, ec));
      if (!self->open) co_return;
      if (exhausted(ec) && !self->callers.drop_oldest_silent()) {
        // To try at once would spin: 2 million failures a second were measured.
        pause.expires_after(std::chrono::milliseconds(50));
        co_await pause.async_wait(asio::use_awaitable);
      }
      if (ec) continue;  // or the caller is gone already (ECONNABORTED): the next may be there
      detail::spawn(self->executor, greet(self, std::move(s)));
    }
  }

  static asio::awaitable<void> greet(shared self, any_socket s) {
    detail::caller who(self->callers, std::move(s));
    if constexpr (resumable) {
      detail::greeted said;
      co_await detail::read_hello(who, said);
      if (self->open) co_await answer(self, who, said);
    } else if (self->peers >= self->settings->max_peers) {
      self->turned_away(errc::refused_busy, who.who);
      const std::string busy = "parley: busy with another conversation\n";
      co_await detail::say_last(who, busy);
    } else {
      auto c = std::make_shared<carrier>(self->executor, self->settings);
      c->protocol().accept(Clock::now());
      carry_on(self, std::move(c), std::move(who.socket), false);
    }
  }

  static asio::awaitable<void> answer(const shared& self, detail::caller& who,
                                      const detail::greeted& said)
    requires resumable
  {
    if (said.failed) self->turned_away(said.failed, who.who);
    if (said.failed && said.failed != errc::malformed_frame) co_return;
    frame::refusal r;
    if (!said.failed) {
      const auto known = self->sessions.find(said.hello.session);
      // The last connection may not have noticed yet that it is dead. Nothing that it still brings
      // may come between the positions and the answer, so it has to be gone before.
      while (known && known->attached() && !known->protocol().check(said.hello))
        co_await known->fence();
      if (!self->open || detail::has_hung_up(who.socket)) co_return;
      const auto refused = admit(self, said.hello, who.socket);
      if (!refused) co_return;
      r = *refused;
      self->turned_away(frame::to_errc(r.reason), who.who);
    }
    co_await detail::say_last(who, frame::encode(r));
  }

  /// Hands the caller's connection to the conversation that it goes on with, or to a new one; or
  /// says why not.
  static std::optional<frame::refusal> admit(const shared& self, const frame::hello& h,
                                             any_socket& s) {
    using frame::refusal;
    using frame::refuse_reason;
    if (h.version_min > frame::protocol_version || h.version_max < frame::protocol_version)
      return refusal{.reason = refuse_reason::version, .text = "this side speaks parley/1"};
    auto c = self->sessions.find(h.session);
    const bool known = c != nullptr;
    if (const auto over = self->sessions.over(h.session, Clock::now())) return over;
    if (!known && h.welcomed != 0) return refusal{.reason = refuse_reason::unknown_session};
    if (!known && self->peers >= self->settings->max_peers)
      return refusal{.reason = refuse_reason::busy};
    if (!known) c = std::make_shared<carrier>(self->executor, self->settings, h.session);
    if (c->ended()) return refusal{refuse_reason::ended, c->protocol().released(), {}};
    if (const auto bad = c->protocol().accept(h, Clock::now()))
      return refusal{*bad, c->protocol().released(), {}};
    if (!known) self->sessions.add(c);
    carry_on(self, std::move(c), std::move(s), known);
    return std::nullopt;
  }

  // --- conversations ---------------------------------------------------------------------------

  /// A connection begins, the first one of `c` or not.
  static void carry_on(const shared& self, std::shared_ptr<carrier> c, any_socket s, bool known) {
    c->next_attempt();
    c->attach(std::move(s));
    detail::spawn(self->executor, carry(self, c));
    if (known) return;
    ++self->peers;
    self->ready.emplace_back(std::move(c));
    self->changed.notify();
  }

  static asio::awaitable<void> carry(shared self, std::shared_ptr<carrier> c) {
    const auto why = co_await c->run();
    const auto patience = self->settings->resume_for;
    std::error_code late;
    if (!is_over(*self, *c, why)) {
      c->tell({.what = event::kind::lost, .reason = why, .delay = patience});
      const auto until = Clock::now() + patience;
      while (self->open && !c->ended() && Clock::now() < until) {
        const bool back = co_await c->unattended(until - Clock::now());
        if (back) co_return;
      }
      if (self->open) late = errc::not_back;
    }
    c->end(c->protocol().settled() ? std::error_code{} : late ? late : why);
    if constexpr (resumable) self->sessions.bury(*c, Clock::now());
    --self->peers;
  }

  /// Whether no further connection can carry on a conversation whose last one ended with `why`.
  static bool is_over(const state& self, carrier& c, std::error_code why) {
    return !resumable || !self.open || self.settings->resume_for.count() == 0 || c.ended() ||
           !why || is_final(why) || c.protocol().complete();
  }

  shared state_;
};

/// A listener for parley's own protocol.
using listener = basic_listener<>;

}  // namespace parley
