#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <concepts>
#include <deque>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/detail/asio.hpp>
#include <parley/detail/greet.hpp>
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
    if (!address.empty()) return add(asio::ip::tcp::endpoint(resolve(address), port));
    try {
      add(asio::ip::tcp::endpoint(asio::ip::tcp::v6(), port));
    } catch (const std::system_error& e) {
      if (e.code() != asio::error::address_family_not_supported) throw;
      add(asio::ip::tcp::endpoint(asio::ip::tcp::v4(), port));  // a system without IPv6
    }
  }

  /// Listens on a Unix socket. A file left behind by a process that is gone is replaced; the own
  /// one is removed with the listener. Throws `std::system_error`.
  void listen_unix(const std::string& path) {
    const asio::local::stream_protocol::endpoint at(path);
    remove_stale(at);
    add(at);
    state_->paths.push_back(path);
  }

  /// Where this listens, in the order of the calls.
  [[nodiscard]] std::vector<endpoint> endpoints() const {
    std::vector<endpoint> all;
    for (const auto& a : state_->acceptors) all.push_back(a->local_endpoint());
    return all;
  }

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

  /// Stops listening; peers that were not handed out are aborted.
  void close() {
    const auto self = state_;
    self->open = false;
    std::error_code ignored;  // what cannot be closed or removed is no use to anybody
    for (const auto& a : self->acceptors) a->close(ignored);
    for (const auto& path : self->paths) ::unlink(path.c_str());
    self->paths.clear();
    self->ready.clear();
    for (auto* at = self->callers.next; at != &self->callers; at = at->next)
      static_cast<waiting*>(at)->deadline.cancel();
    self->changed.notify();
  }

 private:
  static constexpr bool greets =
      requires(Protocol p, const frame::hello& h) { p.accept(h, typename Protocol::time_point{}); };

  struct state {
    state(const asio::any_io_executor& e, options o) : executor(e), changed(e) {
      validate(o);
      settings = std::make_shared<const options>(std::move(o));
    }
    asio::any_io_executor executor;
    std::shared_ptr<const options> settings;
    std::vector<std::unique_ptr<any_acceptor>> acceptors;
    std::vector<std::string> paths;
    std::deque<peer_type> ready;
    detail::wakeup changed;
    detail::ring_link callers;   ///< their `waiting`
    std::size_t peers = 0;       ///< conversations whose loops run
    std::size_t handshakes = 0;  ///< callers who are being greeted or sent away
    bool open = true;

    void turned_away(std::error_code why, const std::string& who) const {
      if (settings->on_event) settings->on_event({event::kind::turned_away, why, who, 0});
    }
  };
  using shared = std::shared_ptr<state>;

  /// A caller who is being greeted or sent away: until the deadline, or until the listener closes.
  struct waiting : detail::ring_link {
    explicit waiting(state& s) : deadline(s.executor, s.settings->handshake_timeout) {
      join(s.callers);
    }
    asio::steady_timer deadline;
  };

  static asio::ip::address resolve(const std::string& address) {
    std::error_code not_numeric;
    if (const auto a = asio::ip::make_address(address, not_numeric); !not_numeric) return a;
    asio::io_context local;
    asio::ip::tcp::resolver resolver(local);
    return resolver.resolve(address, "", asio::ip::tcp::resolver::passive)
        .begin()
        ->endpoint()
        .address();
  }

  static void remove_stale(const asio::local::stream_protocol::endpoint& at) {
    struct stat found;  // a file that is no socket refuses a connection too: it is not ours
    if (::lstat(at.path().c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return;
    asio::io_context local;
    asio::local::stream_protocol::socket probe(local);
    std::error_code ec;
    probe.connect(at, ec);
    if (ec == asio::error::connection_refused) ::unlink(at.path().c_str());
  }

  template <typename Endpoint>
  void add(const Endpoint& at) {
    auto a = std::make_unique<any_acceptor>(state_->executor);
    a->open(endpoint(at).protocol());
    if constexpr (std::same_as<Endpoint, asio::ip::tcp::endpoint>) {
      a->set_option(asio::socket_base::reuse_address(true));
      if (at.address().is_v6()) {
        std::error_code only_v6;  // some systems cannot: then IPv6 alone is served
        a->set_option(asio::ip::v6_only(!at.address().is_unspecified()), only_v6);
      }
    }
    a->bind(at);
    a->listen();
    state_->acceptors.push_back(std::move(a));
    detail::spawn(state_->executor, accept_loop(state_, *state_->acceptors.back()));
  }

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
      while (self->open && self->handshakes >= self->settings->max_handshakes)
        co_await self->changed.wait();
      std::error_code ec;
      any_socket caller = co_await from.async_accept(asio::redirect_error(asio::use_awaitable, ec));
      if (!self->open) co_return;
      if (exhausted(ec)) {
        // To try at once would spin: 2 million failures a second were measured.
        pause.expires_after(std::chrono::milliseconds(50));
        co_await pause.async_wait(asio::use_awaitable);
      }
      if (ec) continue;  // or the caller is gone already (ECONNABORTED): the next may be there
      ++self->handshakes;
      detail::spawn(self->executor, greet(self, std::move(caller)));
    }
  }

  static asio::awaitable<void> greet(shared self, any_socket caller) {
    waiting until(*self);
    asio::steady_timer& deadline = until.deadline;
    std::error_code gone;
    const endpoint at = caller.remote_endpoint(gone);
    const std::string who = gone ? "somebody" : to_string(at);
    if constexpr (greets) {
      detail::greeted said;
      co_await detail::read_hello(caller, said, deadline);
      if (self->open) co_await answer(self, std::move(caller), said, who, deadline);
    } else if (self->open && self->peers >= self->settings->max_peers) {
      self->turned_away(errc::refused_busy, who);
      const std::string busy = "parley: busy with another conversation\n";
      co_await detail::say_last(caller, busy, deadline);
    } else if (self->open) {
      auto c = std::make_shared<carrier>(self->executor, self->settings);
      c->protocol().accept(Clock::now());
      begin(self, std::move(c), std::move(caller));
    }
    --self->handshakes;
    self->changed.notify();
  }

  using carrier = typename peer_type::carrier_type;

  static asio::awaitable<void> answer(const shared& self, any_socket caller,
                                      const detail::greeted& said, const std::string& who,
                                      asio::steady_timer& deadline)
    requires greets
  {
    if (said.failed) self->turned_away(said.failed, who);
    if (said.failed && said.failed != errc::malformed_frame) co_return;
    frame::refusal r;
    std::shared_ptr<carrier> c;
    if (said.failed) {
      r.reason = frame::refuse_reason::malformed;
    } else if (said.hello.version_min > frame::protocol_version ||
               said.hello.version_max < frame::protocol_version) {
      r.reason = frame::refuse_reason::version;
      r.text = "this side speaks parley/1";
    } else if (!said.hello.fresh) {
      r.reason = frame::refuse_reason::unknown_session;
    } else if (self->peers >= self->settings->max_peers) {
      r.reason = frame::refuse_reason::busy;
    } else {
      c = std::make_shared<carrier>(self->executor, self->settings, said.hello.session);
      const auto refused = c->protocol().accept(said.hello, Clock::now());
      if (!refused) co_return begin(self, std::move(c), std::move(caller));
      r.reason = *refused;
    }
    if (!said.failed) self->turned_away(frame::to_errc(r.reason), who);
    co_await detail::say_last(caller, frame::encode(r), deadline);
  }

  static void begin(const shared& self, std::shared_ptr<carrier> c, any_socket caller) {
    ++self->peers;
    c->next_attempt();
    self->ready.emplace_back(c);
    detail::spawn(self->executor, carry(self, std::move(c), std::move(caller)));
    self->changed.notify();
  }

  static asio::awaitable<void> carry(shared self, std::shared_ptr<carrier> c, any_socket caller) {
    co_await c->run(std::move(caller));
    --self->peers;
  }

  shared state_;
};

/// A listener for parley's own protocol.
using listener = basic_listener<>;

}  // namespace parley
