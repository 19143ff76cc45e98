// Who comes with an invitation, who only says so, and what becomes of the invitation.
#include <parley/invitations.hpp>

#include <asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/tls.hpp>

#include "support/by_hand.hpp"
#include "support/run.hpp"
#include "tls/foreign_tls.hpp"
#include "tls/tls_host.hpp"

namespace invitations_test {

namespace {

using namespace std::chrono_literals;
using parley::credentials;
using parley::errc;
using parley::identity;
using parley::test::foreign_context;
using parley::test::foreign_stream;
using parley::test::launch;
using parley::test::new_credentials;
using parley::test::run;
using parley::test::run_until;
using parley::test::tls_host;
namespace frame = parley::protocol::frame;
using clock = std::chrono::system_clock;

/// A host that lets in friends, and those who were invited, who are its friends from then on.
struct party {
  std::vector<identity> friends;
  std::shared_ptr<parley::invitations> guests =
      std::make_shared<parley::invitations>([this](const identity& id) { friends.push_back(id); });
  tls_host host{{},
                [this](const identity& id) {
                  for (const auto& f : friends)
                    if (f == id) return std::error_code{};
                  return make_error_code(errc::refused_not_allowed);
                },
                guests};

  [[nodiscard]] parley::invitation invite(clock::time_point until = clock::now() + 1h) {
    return guests->make(host.me->id(), "here", until);
  }

  /// What comes of it: nothing where it is let in, else why not and the listener's words.
  std::pair<std::error_code, std::string> come(
      std::shared_ptr<const credentials> who,
      std::optional<parley::invitation_secret> with = std::nullopt) {
    try {
      auto mine =
          run(host.context, parley::dial(host.connector(std::move(who), host.me->id(), with)));
      auto theirs = run(host.context, host.listener.accept());
      return {};
    } catch (const std::system_error& e) {
      return {e.code(), e.what()};
    }
  }
};

/// Says a hello with that proof, over TLS as `who`; the refusal's text, or "" where it is none.
std::string greet(party& at, const credentials& who,
                  const parley::protocol::frame::invitation_proof& proof) {
  foreign_context as(foreign_context::tlsv13_client);
  as.show(who);
  frame::hello h;
  const auto bytes = parley::test::hello();
  REQUIRE(!frame::decode(std::string_view(bytes).substr(frame::header_size), h));
  h.proof = proof;
  std::error_code failed;
  const auto heard = run(at.host.context, visit(at.host.connect(), as, frame::encode(h), failed));
  REQUIRE(!failed);
  return std::string(parley::test::refusal_in(heard).text);
}

/// A TLS connection between two who are no listener and no dialer of parley's.
struct connection {
  connection(const credentials& of_client, const credentials& of_server) {
    ours.show(of_client);
    theirs.show(of_server);
    asio::ip::tcp::acceptor at(context, {asio::ip::address_v4::loopback(), 0});
    client.lowest_layer().connect(at.local_endpoint());
    server.emplace(at.accept(), theirs);
    auto answered =
        launch(context, server->async_handshake(foreign_stream::server, asio::use_awaitable));
    run(context, client.async_handshake(foreign_stream::client, asio::use_awaitable));
    run_until(context, [&] { return answered.done(); });
  }
  asio::io_context context;
  foreign_context ours{foreign_context::tlsv13_client};
  foreign_context theirs{foreign_context::tlsv13_server};
  foreign_stream client{context, ours};
  std::optional<foreign_stream> server;
};

}  // namespace

TEST_CASE("who was invited is let in, and is a friend from then on") {
  party p;
  const auto i = p.invite();
  const auto guest = new_credentials();
  CHECK(p.come(guest, i.secret).first == std::error_code{});
  CHECK(p.friends == std::vector<identity>{guest->id()});
  CHECK(p.come(guest).first == std::error_code{});            // without it
  CHECK(p.come(guest, i.secret).first == std::error_code{});  // and with it once more
  CHECK(p.friends.size() == 1);
  CHECK(p.host.turned_away.empty());
}

TEST_CASE("who comes without an invitation is told so") {
  party p;
  (void)p.invite();
  const auto [why, words] = p.come(new_credentials());
  CHECK(why == errc::refused_not_allowed);
  CHECK(words.find("only who is invited may come") != words.npos);
  p.host.check_turned_away(errc::refused_not_allowed);
  CHECK(p.friends.empty());
}

TEST_CASE("an invitation works once") {
  party p;
  const auto i = p.invite();
  CHECK(p.come(new_credentials(), i.secret).first == std::error_code{});
  const auto [why, words] = p.come(new_credentials(), i.secret);
  CHECK(why == errc::refused_not_allowed);
  CHECK(words.find("this invitation was used already") != words.npos);
  CHECK(p.friends.size() == 1);
  p.host.check_turned_away(errc::refused_not_allowed);
}

TEST_CASE("an invitation expires") {
  party p;
  const auto i = p.invite(clock::now() - 1s);
  const auto [why, words] = p.come(new_credentials(), i.secret);
  CHECK(why == errc::refused_not_allowed);
  CHECK(words.find("this invitation has expired") != words.npos);
  CHECK(p.friends.empty());
  p.host.check_turned_away(errc::refused_not_allowed);
}

TEST_CASE("a guess is no invitation") {
  party p;
  auto i = p.invite();
  i.secret[15] ^= 1U;
  const auto [why, words] = p.come(new_credentials(), i.secret);
  CHECK(why == errc::refused_not_allowed);
  CHECK(words.find("this invitation is not known here") != words.npos);
  CHECK(p.friends.empty());
}

TEST_CASE("each of several invitations lets in one") {
  party p;
  const auto one = p.invite(), two = p.invite();
  CHECK(one.secret != two.secret);
  CHECK(p.come(new_credentials(), two.secret).first == std::error_code{});
  CHECK(p.come(new_credentials(), one.secret).first == std::error_code{});
  CHECK(p.come(new_credentials(), one.secret).first == errc::refused_not_allowed);
  CHECK(p.friends.size() == 2);
}

TEST_CASE("a proof that was given on another connection is worth nothing") {
  party p;
  const auto i = p.invite();
  const auto guest = new_credentials(), thief = new_credentials();
  const auto& host = *p.host.me;
  SECTION("to the same listener, by the guest himself") {
    connection other(*guest, host);
    const auto seen =
        parley::detail::prove(i.secret, other.client.native_handle(), host.id(), guest->id());
    CHECK(greet(p, *guest, seen) == "this invitation is not known here");
    CHECK(greet(p, *thief, seen) == "this invitation is not known here");
  }
  SECTION("to a man in the middle, who passes it on") {
    const auto middle = credentials::make();
    connection other(*guest, middle);
    const auto seen =
        parley::detail::prove(i.secret, other.client.native_handle(), host.id(), guest->id());
    CHECK(greet(p, middle, seen) == "this invitation is not known here");
  }
  SECTION("nor are bytes that came from somewhere") {
    parley::protocol::frame::invitation_proof some;
    some.fill(0x5a);
    CHECK(greet(p, *thief, some) == "this invitation is not known here");
    CHECK(greet(p, *thief, {}) == "only who is invited may come");
  }
  CHECK(p.friends.empty());
  p.host.check_nobody_in();
}

TEST_CASE("what a listener would prove to a dialer is not what a dialer proves") {
  // Whoever reflects what comes from one side to that side would need the same proof in both roles.
  const auto i = parley::invitations([](const identity&) {}).make({}, "here", clock::now());
  const auto a = credentials::make(), b = credentials::make();
  connection both(a, b);
  SSL* const client = both.client.native_handle();
  SSL* const server = both.server->native_handle();
  const auto proof = parley::detail::prove(i.secret, client, b.id(), a.id());
  CHECK(proof == parley::detail::prove(i.secret, server, b.id(), a.id()));
  CHECK(proof != parley::detail::prove(i.secret, client, a.id(), b.id()));
  CHECK(proof != parley::detail::prove(i.secret, client, b.id(), b.id()));
  auto other = i.secret;
  other[0] ^= 0x80U;
  CHECK(proof != parley::detail::prove(other, client, b.id(), a.id()));
}

}  // namespace invitations_test
