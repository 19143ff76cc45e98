#pragma once

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <parley/detail/invitation_proof.hpp>
#include <parley/detail/openssl.hpp>
#include <parley/identity.hpp>
#include <parley/invitation.hpp>

// Needs OpenSSL 3.0 or newer, like all that includes tls.hpp.
namespace parley {

/// The invitations that a listener has given out. Each lets in the first who proves it, and nobody
/// after that or after its time; that one's identity is what `redeemed` is told, to let it in from
/// then on.
///
///   parley::invitations guests([&](const parley::identity& id) { friends.push_back(id); });
///   const auto i = guests.make(me->id(), "192.0.2.7:7117", now + std::chrono::hours(24));
///   pass_on(to_string(i));
///
/// Time is the wall clock's, as people were told it. Not safe for sharing between threads.
class invitations {
 public:
  using time_point = std::chrono::system_clock::time_point;
  enum class verdict { admitted, none, unknown, expired, used };

  explicit invitations(std::function<void(const identity&)> redeemed)
      : redeemed_(std::move(redeemed)) {}

  /// A new one. Throws `std::runtime_error` if the system has no random numbers.
  [[nodiscard]] invitation make(const identity& host, std::string address, time_point until) {
    invitation i{.listener = host, .address = std::move(address)};
    if (RAND_bytes(i.secret.data(), static_cast<int>(i.secret.size())) != 1)
      detail::throw_openssl("no secret can be made");
    given_out_.push_back({i.secret, until, false});
    return i;
  }

  /// Whether `proof`, which `guest` gives on `connection`, is that of an invitation that is good
  /// now; then it is good no more, and `redeemed` was told.
  [[nodiscard]] verdict redeem(const protocol::frame::invitation_proof& proof, SSL* connection,
                               const identity& host, const identity& guest, time_point now) {
    if (proof == protocol::frame::invitation_proof{}) return verdict::none;
    for (auto& one : given_out_) {
      const auto expected = detail::prove(one.secret, connection, host, guest);
      if (CRYPTO_memcmp(expected.data(), proof.data(), proof.size()) != 0) continue;
      if (one.used) return verdict::used;
      if (now >= one.until) return verdict::expired;
      one.used = true;
      redeemed_(guest);
      return verdict::admitted;
    }
    return verdict::unknown;
  }

  /// Why not, for the one who is sent away.
  [[nodiscard]] static std::string_view describe(verdict v) noexcept {
    switch (v) {
      case verdict::none: return "only who is invited may come";
      case verdict::unknown: return "this invitation is not known here";
      case verdict::expired: return "this invitation has expired";
      case verdict::used: return "this invitation was used already";
      default: return "";
    }
  }

 private:
  struct given {
    invitation_secret secret;
    time_point until;
    bool used;
  };
  std::function<void(const identity&)> redeemed_;
  std::vector<given> given_out_;
};

}  // namespace parley
