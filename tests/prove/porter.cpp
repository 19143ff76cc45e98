// The processes around a door that is besieged: the one who keeps it, one who calls again and again
// and is let in, and one whose conversation was there before. Asked by a line on standard input,
// they tell what they have seen; they end with their input.
//
//   parley-porter keep 0 [KEY=NUMBER ...]         accepts, and says everything back
//   parley-porter visit PORT [KEY=NUMBER ...]     dials, hears itself once, leaves, and again
//   parley-porter stay PORT [KEY=NUMBER ...]      dials once, and hears itself again and again
//
// tls=1 speaks TLS; from=ADDRESS is where a caller calls from.

#include <unistd.h>
#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/read_until.hpp>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <parley/parley.hpp>
#include <parley/tls.hpp>

#include "bench/resident.hpp"

namespace {

using clock_type = std::chrono::steady_clock;

long long us_since(clock_type::time_point t) {
  return std::chrono::duration_cast<std::chrono::microseconds>(clock_type::now() - t).count();
}

template <typename... Arguments>
void tell(const char* format, Arguments... arguments) {
  if constexpr (sizeof...(arguments) == 0)
    std::fputs(format, stdout);
  else
    std::printf(format, arguments...);
  std::putchar('\n');
  std::fflush(stdout);
}

struct wishes {
  std::string from = "127.0.0.1";
  std::uint16_t port = 0;
  bool tls = false;
  std::chrono::milliseconds pause{50};  ///< of a caller, between two calls or two messages
  parley::options settings;
};

wishes read_wishes(int count, char** words) {
  if (count < 3) throw std::invalid_argument("parley-porter keep|visit|stay PORT [KEY=NUMBER ...]");
  std::map<std::string, std::uint64_t, std::less<>> given;
  wishes w;
  for (int i = 2; i < count; ++i) {
    const std::string_view word = words[i];
    const auto equals = word.find('=');
    const auto key = i == 2 ? std::string_view("port") : word.substr(0, equals);
    const auto value = i == 2 ? word : word.substr(equals + 1);
    if (key == "from") w.from = value;
    if (key == "from") continue;
    std::from_chars(value.data(), value.data() + value.size(), given[std::string(key)]);
  }
  const auto take = [&given](const char* key, auto& into) {
    const auto found = given.find(key);
    if (found != given.end()) into = std::remove_reference_t<decltype(into)>(found->second);
  };
  take("port", w.port);
  take("tls", w.tls);
  take("pause", w.pause);
  take("handshake", w.settings.handshake_timeout);
  take("silent", w.settings.max_silent);
  take("handshakes", w.settings.max_handshakes);
  take("address", w.settings.max_per_address);
  take("resume", w.settings.resume_for);
  take("wait", w.settings.wait_for);
  return w;
}

/// Connects from an address of this machine, so that the other end can tell callers apart.
struct bound_connector {
  std::string from;
  std::uint16_t port;

  asio::awaitable<parley::any_socket> operator()() const { return connect(*this); }

 private:
  static asio::awaitable<parley::any_socket> connect(bound_connector to) {
    using asio::ip::tcp;
    tcp::socket s(co_await asio::this_coro::executor);
    s.open(tcp::v4());
    s.bind(tcp::endpoint(asio::ip::make_address(to.from), 0));
    const tcp::endpoint there(asio::ip::address_v4::loopback(), to.port);
    co_await s.async_connect(there, asio::use_awaitable);
    s.set_option(tcp::no_delay(true));
    co_return parley::any_socket(std::move(s));
  }
};

std::shared_ptr<const parley::credentials> new_credentials() {
  return std::make_shared<const parley::credentials>(parley::credentials::make());
}

parley::tls_connector<bound_connector> with_tls(const wishes& w) {
  return {bound_connector{w.from, w.port}, new_credentials(), parley::admission_check{}};
}

class porter {
 public:
  porter(asio::io_context& io, wishes w)
      : io_(io), wishes_(std::move(w)), commands_(io, ::dup(STDIN_FILENO)), timer_(io) {
    wishes_.settings.on_event = [this](const parley::event& e) {
      turned_away_ += e.what == parley::event::kind::turned_away ? 1 : 0;
      late_ += e.reason == parley::errc::handshake_timeout ? 1 : 0;
      lost_ += e.what == parley::event::kind::lost ? 1 : 0;
      failed_ += e.what == parley::event::kind::failed ? 1 : 0;
    };
  }

  asio::awaitable<void> work(std::string_view role) {
    using namespace asio::experimental::awaitable_operators;
    auto doing = wishes_.tls ? with_tls_as(role) : in_plain_as(role);
    co_await (std::move(doing) && obey());
  }

 private:
  asio::awaitable<void> in_plain_as(std::string_view role) {
    const bound_connector to{wishes_.from, wishes_.port};
    if (role == "keep") return keep<parley::listener>(parley::plaintext{});
    if (role == "stay") return stay(to);
    return visit(to);
  }
  asio::awaitable<void> with_tls_as(std::string_view role) {
    if (role == "keep") return keep<parley::tls_listener>(parley::tls_security(new_credentials()));
    if (role == "stay") return stay(with_tls(wishes_));
    return visit(with_tls(wishes_));
  }

  // --- the three of them -----------------------------------------------------------------------

  template <typename Listener, typename Security>
  asio::awaitable<void> keep(Security how) {
    Listener door(io_.get_executor(), wishes_.settings, std::move(how));
    door.listen("127.0.0.1", wishes_.port);
    tell("listening %d", int{parley::port_of(door.endpoints().front())});
    close_ = [&door] { door.close(); };
    std::error_code closed;
    while (!closed) {
      try {
        auto peer = co_await door.accept();
        ++welcomed_;
        asio::co_spawn(io_, echo(std::move(peer)), forgive);
      } catch (const std::system_error& e) {
        closed = e.code();
      }
    }
  }

  template <typename Peer>
  static asio::awaitable<void> echo(Peer p) {
    std::error_code ec;
    for (;;) {
      const auto m = co_await p.receive(ec);
      if (!m || ec) break;
      co_await p.send(m->body, m->tag, ec);
    }
    co_await p.close();
  }

  template <typename Connector>
  asio::awaitable<void> visit(Connector to) {
    while (!done_) {
      co_await call(to);
      timer_.expires_after(wishes_.pause);
      std::error_code cancelled;
      co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    }
  }

  /// From the call to the welcome, however many attempts that takes; then a word and its echo.
  template <typename Connector>
  asio::awaitable<void> call(Connector to) {
    begun_ = clock_type::now();
    try {
      auto peer = co_await parley::dial(std::move(to), wishes_.settings);
      note();
      co_await peer.send("hello");
      const auto m = co_await peer.receive();
      if (!m || m->body != "hello") ++unserved_;
      co_await peer.close();
    } catch (const std::system_error& e) {
      ++unserved_;
      std::fprintf(stderr, "%s\n", e.what());
    }
  }

  template <typename Connector>
  asio::awaitable<void> stay(Connector to) {
    auto peer = co_await parley::dial(std::move(to), wishes_.settings);
    tell("welcomed");
    while (!done_) {
      begun_ = clock_type::now();
      co_await peer.send("still here");
      const auto m = co_await peer.receive();
      if (!m) break;
      note();
      timer_.expires_after(wishes_.pause);
      std::error_code cancelled;
      co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    }
    co_await peer.close();
  }

  // --- what is told ----------------------------------------------------------------------------

  /// What began is done.
  void note() {
    const auto us = us_since(begun_);
    begun_ = clock_type::time_point::max();
    ++served_;
    longest_us_ = std::max(longest_us_, us);
    sum_us_ += us;
  }

  asio::awaitable<void> obey() {
    std::string input;
    std::error_code ec;
    while (!ec) {
      const std::size_t n =
          co_await asio::async_read_until(commands_, asio::dynamic_buffer(input), '\n',
                                          asio::redirect_error(asio::use_awaitable, ec));
      input.erase(0, n);
      if (!ec) report();
    }
    done_ = true;
    timer_.cancel();
    if (close_) close_();
  }

  void report() {
    const bool waits = begun_ != clock_type::time_point::max();
    const auto longest = waits ? std::max(longest_us_, us_since(begun_)) : longest_us_;
    tell(
        "memory kib=%lld welcomed=%lld turned_away=%lld late=%lld served=%lld unserved=%lld "
        "failed=%lld lost=%lld longest_us=%lld mean_us=%lld",
        static_cast<long long>(bench::resident_kib()), welcomed_, turned_away_, late_, served_,
        unserved_, failed_, lost_, longest, served_ == 0 ? 0 : sum_us_ / served_);
  }

  /// A conversation that ends badly is its own affair.
  static void forgive(const std::exception_ptr&) {}

  asio::io_context& io_;
  wishes wishes_;
  asio::posix::stream_descriptor commands_;
  asio::steady_timer timer_;
  std::function<void()> close_;
  bool done_ = false;
  clock_type::time_point begun_ = clock_type::time_point::max();  ///< what is waited for
  long long welcomed_ = 0, turned_away_ = 0, late_ = 0, lost_ = 0, failed_ = 0;
  long long served_ = 0, unserved_ = 0, longest_us_ = 0, sum_us_ = 0;
};

}  // namespace

int main(int count, char** words) {
  try {
    asio::io_context io(1);
    porter p(io, read_wishes(count, words));
    std::exception_ptr failed;
    asio::co_spawn(io, p.work(words[1]),
                   [&failed](std::exception_ptr e) { failed = std::move(e); });
    io.run();
    if (failed) std::rethrow_exception(failed);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "parley-porter: %s\n", e.what());
    return 1;
  }
}
