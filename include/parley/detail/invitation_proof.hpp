#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>

#include <array>
#include <string>
#include <string_view>

#include <parley/detail/openssl.hpp>
#include <parley/identity.hpp>
#include <parley/invitation.hpp>
#include <parley/protocol/greeting.hpp>

// Needs OpenSSL 3.0 or newer, like all that includes tls.hpp.
namespace parley::detail {

namespace frame = protocol::frame;

/// That `guest`, a dialer, knows the secret, on one TLS connection to `host`, a listener, and on no
/// other: HMAC-SHA-256 (RFC 2104), keyed with the secret, over what only the two ends of this
/// connection know (`tls-exporter`, RFC 9266), and over who they are, for the exporter does not say
/// who the client is. The label says who proves, so that it cannot be sent back. Throws
/// `std::runtime_error`.
[[nodiscard]] inline frame::invitation_proof prove(const invitation_secret& secret, SSL* connection,
                                                   const identity& host, const identity& guest) {
  constexpr std::string_view label = "EXPORTER-Channel-Binding";
  constexpr std::string_view role = "parley/1 invitation, dialer";
  std::array<unsigned char, 32> binding;
  // No context is not the same as an empty one; RFC 9266, 2, asks for the latter, which in TLS 1.3
  // is the same (RFC 8446, 7.5).
  if (SSL_export_keying_material(connection, binding.data(), binding.size(), label.data(),
                                 label.size(), nullptr, 0, 0) != 1)
    throw_openssl("this connection cannot be bound");
  std::string said(role);
  for (const auto& part : {binding, host.digest, guest.digest})
    said.append(part.begin(), part.end());
  frame::invitation_proof proof;
  if (HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
           reinterpret_cast<const unsigned char*>(said.data()), said.size(), proof.data(),
           nullptr) == nullptr)
    throw_openssl("no proof can be made");
  return proof;
}

}  // namespace parley::detail
