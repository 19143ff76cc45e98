#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstddef>
#include <system_error>

#include <asio/ssl/error.hpp>
#include <parley/credentials.hpp>
#include <parley/detail/asio.hpp>
#include <parley/endpoint.hpp>

namespace parley::detail {

/// What OpenSSL reads and writes its records with: a socket that does not block, by Asio's calls,
/// which raise no SIGPIPE. Asio's own TLS stream takes every record through two buffers more, and
/// each as an operation of its own, which cost a fifth of the throughput and 60 KiB a connection.
struct tls_wire {
  any_socket& socket;
  std::error_code failed{};  ///< what the last call said

  /// Makes `ssl` use this, which must outlive it. Throws `std::runtime_error`.
  void carry(SSL* ssl) {
    BIO* const b = BIO_new(method());
    if (b == nullptr) throw_openssl("TLS cannot be set up");
    BIO_set_data(b, this);
    BIO_set_init(b, 1);
    SSL_set_bio(ssl, b, b);
  }

  /// Why a call of OpenSSL's has returned `r`, which is no success; `would_block`: not now.
  [[nodiscard]] std::error_code why(const SSL* ssl, int r) const {
    switch (SSL_get_error(ssl, r)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE: return asio::error::would_block;
      case SSL_ERROR_ZERO_RETURN: return asio::error::eof;
      case SSL_ERROR_SYSCALL:
        return is_lasting(failed) ? failed : std::error_code(asio::error::eof);
      default: break;
    }
    const auto code = static_cast<int>(ERR_get_error());
    return code != 0 ? std::error_code(code, asio::error::get_ssl_category())
                     : std::error_code(asio::ssl::error::unexpected_result);
  }

 private:
  static bool is_lasting(std::error_code ec) {
    return ec && ec != asio::error::would_block && ec != asio::error::try_again;
  }
  static tls_wire& of(BIO* b) { return *static_cast<tls_wire*>(BIO_get_data(b)); }

  /// What a call returns that has moved `n` bytes.
  static int moved(BIO* b, std::size_t n, int retry) {
    BIO_clear_retry_flags(b);
    if (const auto& ec = of(b).failed; ec && !is_lasting(ec))
      BIO_set_flags(b, retry | BIO_FLAGS_SHOULD_RETRY);
    return n != 0 ? 1 : 0;
  }
  static int write(BIO* b, const char* from, std::size_t size, std::size_t* n) {
    *n = of(b).socket.send(asio::buffer(from, size), 0, of(b).failed);
    return moved(b, *n, BIO_FLAGS_WRITE);
  }
  static int read(BIO* b, char* into, std::size_t size, std::size_t* n) {
    *n = of(b).socket.receive(asio::buffer(into, size), 0, of(b).failed);
    return moved(b, *n, BIO_FLAGS_READ);
  }
  static long control(BIO* b, int what, long, void*) {
    if (what == BIO_CTRL_EOF) return of(b).failed == asio::error::eof ? 1 : 0;
    return what == BIO_CTRL_FLUSH ? 1 : 0;
  }

  /// Made once, and kept as long as the process.
  static BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
      BIO_METHOD* const m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "parley");
      if (m == nullptr) throw_openssl("TLS cannot be set up");
      BIO_meth_set_write_ex(m, write);
      BIO_meth_set_read_ex(m, read);
      BIO_meth_set_ctrl(m, control);
      return m;
    }();
    return made;
  }
};

}  // namespace parley::detail
