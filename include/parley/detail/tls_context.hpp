#pragma once

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio/ssl/context.hpp>
#include <parley/credentials.hpp>
#include <parley/error.hpp>
#include <parley/identity.hpp>

namespace parley {

/// Who may be at the other end, asked once for each connection: no error, or why not. May be empty:
/// then everybody may, and who it is can be asked of the stream, or of the peer, afterwards.
using admission_check = std::function<std::error_code(const identity&)>;

namespace detail {

/// What one handshake has shown.
struct tls_seen {
  std::optional<identity> peer;  ///< of a certificate that came, though perhaps no proof of it
  bool shown = false;            ///< its owner may be here
  std::error_code failed;        ///< why not
};

/// What all connections of one side share: its certificate, and the rules. Immutable.
///
/// The rules: TLS 1.3 alone, a certificate demanded, no tickets (with tickets a
/// revoked identity came back in without being asked), no early data, no renegotiation, ALPN.
class tls_context : public asio::ssl::context {
 public:
  enum class side { client, server };

  /// Throws `std::runtime_error`.
  tls_context(side which, std::shared_ptr<const credentials> me, admission_check admits)
      : asio::ssl::context(which == side::server ? tlsv13_server : tlsv13_client),
        side_(which),
        me_(std::move(me)),
        admits_(std::move(admits)) {
    SSL_CTX* const c = native_handle();
    const bool done =
        SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) == 1 &&
        SSL_CTX_use_certificate(c, me_->certificate()) == 1 &&
        SSL_CTX_use_PrivateKey(c, me_->key()) == 1 && SSL_CTX_set_num_tickets(c, 0) == 1 &&
        SSL_CTX_set1_sigalgs_list(c, "ed25519") == 1 && SSL_CTX_set_max_early_data(c, 0) == 1 &&
        SSL_CTX_set_alpn_protos(c, alpn.data(), alpn.size()) == 0;  // 0: the only one that is good
    if (!done) throw_openssl("TLS cannot be set up");
    SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    // A connection that waits has no use for its buffers.
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    // Asked once, about the leaf; Asio's own is asked for each error of a chain of trust that there
    // is none of here.
    SSL_CTX_set_cert_verify_callback(c, verify, this);
    if (is_server()) SSL_CTX_set_alpn_select_cb(c, choose, nullptr);
  }

  [[nodiscard]] bool is_server() const noexcept { return side_ == side::server; }
  [[nodiscard]] const credentials& me() const noexcept { return *me_; }

  /// A connection begins; `seen` must outlive it.
  static void begin(SSL* ssl, tls_seen& seen) { SSL_set_ex_data(ssl, index(), &seen); }

  /// After a handshake that OpenSSL has nothing against: what it takes as a matter of taste.
  [[nodiscard]] static std::error_code check(const SSL* ssl, const tls_seen& seen) {
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &chosen, &size);
    // A side that names no protocol is not refused by OpenSSL.
    const std::string_view name(reinterpret_cast<const char*>(chosen), size);
    if (name != protocol) return errc::wrong_protocol;
    if (SSL_version(ssl) != TLS1_3_VERSION) return errc::tls_version;
    return seen.shown ? std::error_code{} : make_error_code(errc::no_certificate);
  }

 private:
  static constexpr std::string_view protocol = "parley/1";
  static constexpr std::array<unsigned char, 9> alpn{8, 'p', 'a', 'r', 'l', 'e', 'y', '/', '1'};

  /// Where an SSL object keeps its `tls_seen`.
  [[nodiscard]] static int index() {
    static const int i = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return i;
  }

  static int choose(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in,
                    unsigned in_size, void*) {
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, size, alpn.data(), alpn.size(), in, in_size) !=
        OPENSSL_NPN_NEGOTIATED)
      return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
  }

  /// Must not throw: it is called from C.
  static int verify(X509_STORE_CTX* store, void* self) noexcept {
    auto* const ssl =
        static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto& seen = *static_cast<tls_seen*>(SSL_get_ex_data(ssl, index()));
    try {
      seen.failed = static_cast<const tls_context*>(self)->judge(store, seen.peer);
    } catch (...) {
      seen.failed = errc::bad_certificate;
    }
    seen.shown = !seen.failed;
    if (seen.failed) X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return seen.failed ? 0 : 1;
  }

  [[nodiscard]] std::error_code judge(X509_STORE_CTX* store, std::optional<identity>& peer) const {
    const X509* const leaf = X509_STORE_CTX_get0_cert(store);
    if (leaf == nullptr) return errc::no_certificate;
    if (sk_X509_num(X509_STORE_CTX_get0_untrusted(store)) != 1) return errc::many_certificates;
    EVP_PKEY* const key = X509_get0_pubkey(leaf);
    if (key == nullptr || EVP_PKEY_is_a(key, "ED25519") != 1) return errc::bad_certificate;
    // Those that parley makes have no end, so this one says itself that it is to be trusted no
    // more.
    if (X509_cmp_current_time(X509_get0_notAfter(leaf)) <= 0 ||
        X509_cmp_current_time(X509_get0_notBefore(leaf)) >= 0)
      return errc::certificate_expired;
    peer = identity_of(leaf);
    // Else whoever sends back what comes would be let in by everybody (RFC 9257, 4.1).
    if (peer == me_->id()) return errc::own_identity;
    return admits_ ? admits_(*peer) : std::error_code{};
  }

  side side_;
  std::shared_ptr<const credentials> me_;
  admission_check admits_;
};

}  // namespace detail
}  // namespace parley
