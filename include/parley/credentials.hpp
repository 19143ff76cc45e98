#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <parley/detail/openssl.hpp>
#include <parley/identity.hpp>

// Needs OpenSSL 3.0 or newer, like all that includes tls.hpp.
namespace parley {

/// What a side of TLS proves its identity with: an Ed25519 key, and a certificate that the key has
/// signed itself and that says nothing but the key. Throws `std::runtime_error`, with what
/// OpenSSL says.
class credentials {
 public:
  /// A new key, so a new identity.
  [[nodiscard]] static credentials make() {
    detail::key_ptr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    if (!key) detail::throw_openssl("no key can be made");
    return credentials(std::move(key));
  }

  /// Reads what `to_pem` wrote.
  [[nodiscard]] static credentials from_pem(std::string_view pem) {
    const detail::openssl_ptr<BIO, BIO_free> from(
        BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    // No password is ever asked for.
    const auto no_password = [](char*, int, int, void*) { return 0; };
    detail::key_ptr key(from ? PEM_read_bio_PrivateKey(from.get(), nullptr, no_password, nullptr)
                             : nullptr);
    if (!key) detail::throw_openssl("this is no private key");
    if (EVP_PKEY_is_a(key.get(), "ED25519") != 1)
      throw std::runtime_error("the private key is not of the kind Ed25519");
    return credentials(std::move(key));
  }

  /// The private key: a secret. PKCS #8 in PEM (RFC 7468), not encrypted.
  [[nodiscard]] std::string to_pem() const {
    const detail::openssl_ptr<BIO, BIO_free> to(BIO_new(BIO_s_secmem()));
    if (!to || PEM_write_bio_PKCS8PrivateKey(to.get(), key_.get(), nullptr, nullptr, 0, nullptr,
                                             nullptr) != 1)
      detail::throw_openssl("the private key cannot be written");
    char* text = nullptr;
    const long size = BIO_get_mem_data(to.get(), &text);
    return {text, static_cast<std::size_t>(size)};
  }

  [[nodiscard]] const identity& id() const noexcept { return id_; }
  /// Valid as long as this object.
  [[nodiscard]] EVP_PKEY* key() const noexcept { return key_.get(); }
  [[nodiscard]] X509* certificate() const noexcept { return certificate_.get(); }

 private:
  explicit credentials(detail::key_ptr key)
      : key_(std::move(key)),
        certificate_(sign_itself(key_.get())),
        id_(detail::identity_of(certificate_.get())) {}

  static detail::certificate_ptr sign_itself(EVP_PKEY* key) {
    detail::certificate_ptr c(X509_new());
    X509_NAME* const name = c ? X509_get_subject_name(c.get()) : nullptr;
    const auto* const parley = reinterpret_cast<const unsigned char*>("parley");
    // Version 3, which has the number 2; without an end (RFC 5280, 4.1.2.5); the digest is part of
    // Ed25519.
    const bool done =
        c && X509_set_version(c.get(), 2) == 1 &&
        ASN1_INTEGER_set(X509_get_serialNumber(c.get()), 1) == 1 &&
        ASN1_TIME_set_string_X509(X509_getm_notBefore(c.get()), "20000101000000Z") == 1 &&
        ASN1_TIME_set_string_X509(X509_getm_notAfter(c.get()), "99991231235959Z") == 1 &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, parley, -1, -1, 0) == 1 &&
        X509_set_issuer_name(c.get(), name) == 1 && X509_set_pubkey(c.get(), key) == 1 &&
        X509_sign(c.get(), key, nullptr) != 0;
    if (!done) detail::throw_openssl("no certificate can be made");
    return c;
  }

  detail::key_ptr key_;
  detail::certificate_ptr certificate_;
  identity id_;
};

}  // namespace parley
