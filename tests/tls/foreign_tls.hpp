#pragma once

#include <openssl/ssl.h>

#include <asio/ip/tcp.hpp>
#include <asio/ssl/context.hpp>
#include <asio/ssl/stream.hpp>
#include <catch2/catch_test_macros.hpp>
#include <string>

#include <parley/credentials.hpp>

/// TLS as others might speak it: everything that parley's own does not do.
namespace parley::test {

using key_ptr = parley::detail::key_ptr;
using certificate_ptr = parley::detail::certificate_ptr;

/// A certificate of that key's, valid between two days from now on.
[[nodiscard]] inline certificate_ptr certify(EVP_PKEY* key, int from_day, int to_day) {
  certificate_ptr c(X509_new());
  REQUIRE(X509_set_version(c.get(), 2) == 1);
  REQUIRE(X509_gmtime_adj(X509_getm_notBefore(c.get()), 86'400L * from_day) != nullptr);
  REQUIRE(X509_gmtime_adj(X509_getm_notAfter(c.get()), 86'400L * to_day) != nullptr);
  REQUIRE(X509_set_pubkey(c.get(), key) == 1);
  const bool ed25519 = EVP_PKEY_is_a(key, "ED25519") == 1;
  REQUIRE(X509_sign(c.get(), key, ed25519 ? nullptr : EVP_sha256()) != 0);
  return c;
}

/// How a side is set up that is as parley's, until it is changed.
class foreign_context : public asio::ssl::context {
 public:
  explicit foreign_context(method m, const std::string& alpn = "parley/1") : asio::ssl::context(m) {
    SSL_CTX_set_verify(native_handle(), SSL_VERIFY_NONE, nullptr);  // whoever it is
    if (!alpn.empty()) offer(alpn);
  }

  void offer(const std::string& protocol) {
    wire_ = static_cast<char>(protocol.size()) + protocol;
    const auto* const bytes = reinterpret_cast<const unsigned char*>(wire_.data());
    const auto size = static_cast<unsigned>(wire_.size());
    REQUIRE(SSL_CTX_set_alpn_protos(native_handle(), bytes, size) == 0);
    SSL_CTX_set_alpn_select_cb(native_handle(), choose, &wire_);
  }
  void show(EVP_PKEY* key, X509* certificate) {
    REQUIRE(SSL_CTX_use_certificate(native_handle(), certificate) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(native_handle(), key) == 1);
  }
  void show(const credentials& c) { show(c.key(), c.certificate()); }
  void show_also(X509* certificate) {
    REQUIRE(SSL_CTX_add1_chain_cert(native_handle(), certificate) == 1);
  }

 private:
  static int choose(SSL*, const unsigned char** out, unsigned char* size, const unsigned char*,
                    unsigned, void* wire) {
    const auto& mine = *static_cast<const std::string*>(wire);
    *out = reinterpret_cast<const unsigned char*>(mine.data()) + 1;
    *size = static_cast<unsigned char>(mine.size() - 1);
    return SSL_TLSEXT_ERR_OK;
  }
  std::string wire_;
};

using foreign_stream = asio::ssl::stream<asio::ip::tcp::socket>;

}  // namespace parley::test
