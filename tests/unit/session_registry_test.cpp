// Where a listener's connections become conversations, in one turn of its executor.

#include <parley/detail/session_registry.hpp>

#include <asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <parley/identity.hpp>
#include <parley/options.hpp>
#include <parley/peer.hpp>
#include <parley/protocol/greeting.hpp>
#include <parley/protocols.hpp>

#include "support/manual_clock.hpp"
#include "support/pipe_stream.hpp"
#include "support/run.hpp"

namespace session_registry_test {

namespace {

using parley::test::make_pipe;
using parley::test::manual_clock;
using parley::test::pipe_stream;
using parley::test::run;
namespace frame = parley::protocol::frame;

/// All callers are one.
struct known_stream : pipe_stream {
  explicit known_stream(pipe_stream&& s) noexcept : pipe_stream(std::move(s)) {}
  [[nodiscard]] parley::identity peer() const { return {}; }
  [[nodiscard]] static std::string_view cipher() { return {}; }
};

using registry = parley::detail::session_registry<
    parley::basic_peer<known_stream, parley::session, manual_clock>>;

frame::hello hello(std::uint8_t session, std::uint32_t welcomed) {
  frame::hello h;
  h.session.fill(session);
  h.attempt = welcomed + 1;
  h.welcomed = welcomed;
  h.window = 1 << 20;
  h.max_message = 1 << 16;
  h.heartbeat_ms = 5000;
  return h;
}

}  // namespace

TEST_CASE("who begins anew and comes back in the same turn keeps the conversation") {
  asio::io_context context;
  const auto settings = std::make_shared<parley::options>();
  settings->max_peers = 1;
  settings->retry_most = std::chrono::milliseconds(0);
  const auto desk = std::make_shared<registry>(context.get_executor(), settings);
  std::optional<pipe_stream> caller;
  const auto call = [&](const frame::hello& h) {
    auto [near, far] = make_pipe(context.get_executor(), 65'536);
    caller.emplace(std::move(far));
    known_stream s(std::move(near));
    return desk->admit(h, s);
  };

  REQUIRE_FALSE(call(hello(7, 0)));
  auto here = run(context, desk->next_peer());
  manual_clock::settle(context);
  caller.reset();
  manual_clock::settle(context);
  REQUIRE(here.state() == parley::state::away);

  SECTION("back") {
    REQUIRE(call(hello(8, 0)));
    REQUIRE_FALSE(call(hello(7, 1)));
    manual_clock::settle(context);
    CHECK(here.state() == parley::state::connected);
  }
  SECTION("not back") {
    REQUIRE(call(hello(8, 0)));
    manual_clock::settle(context);
    CHECK(here.reason() == parley::errc::not_back);
  }
}

}  // namespace session_registry_test
