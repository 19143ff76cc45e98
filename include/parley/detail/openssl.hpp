#pragma once

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>

#include <parley/identity.hpp>

// Needs OpenSSL 3.0 or newer, like all that includes tls.hpp.
namespace parley::detail {

template <auto Free>
struct freed_by {
  template <typename T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};
template <typename T, auto Free>
using openssl_ptr = std::unique_ptr<T, freed_by<Free>>;

using key_ptr = openssl_ptr<EVP_PKEY, EVP_PKEY_free>;
using certificate_ptr = openssl_ptr<X509, X509_free>;

/// Throws what OpenSSL has to say, which is forgotten with that.
[[noreturn]] inline void throw_openssl(const std::string& what) {
  const char* const why = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  throw std::runtime_error(why ? what + ": " + why : what);
}

/// Whose key a certificate shows.
[[nodiscard]] inline identity identity_of(const X509* certificate) {
  unsigned char* der = nullptr;
  // Not X509_pubkey_digest, which leaves the algorithm out.
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  identity id;
  const bool done = size > 0 && EVP_Digest(der, static_cast<std::size_t>(size), id.digest.data(),
                                           nullptr, EVP_sha256(), nullptr) == 1;
  OPENSSL_free(der);
  if (!done) throw_openssl("the certificate's key cannot be read");
  return id;
}

}  // namespace parley::detail
