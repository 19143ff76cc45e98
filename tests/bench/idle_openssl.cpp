#include <cstddef>
#include <memory>
#include <string>

#include <parley/tls.hpp>

#include "crowd.hpp"
#include "crowd_pair.hpp"
#include "idle_pair.hpp"

namespace bench {
namespace {

struct tls_ends {
  using listener = parley::tls_listener;
  using peer = parley::tls_peer;

  static listener listen(const asio::any_io_executor& e, const parley::options& o) {
    return listener(e, o, parley::tls_security(me()));
  }
  static asio::awaitable<peer> dial(const place& to, const parley::options& o) {
    // All conversations of a program have its certificate and rules in common.
    static const parley::tls_connector there(parley::tcp_connector{to.host, to.port}, me(), {});
    return parley::dial(there, o);
  }

 private:
  /// In each process another one.
  static std::shared_ptr<const parley::credentials> me() {
    return std::make_shared<const parley::credentials>(parley::credentials::make());
  }
};

}  // namespace

crowd idle_tls_crowd(const settings& s) {
  // Fewer than without TLS: to shake hands so often takes longer than to measure.
  const std::size_t size = affordable(s.quick ? 100 : 1'000);
  const std::string group = "idle conversation, TLS";
  const auto measure = [=] {
    const double each = run_idle_pair<tls_ends>(size, stance::held).at(0);
    return readings{{group, with_commas(size), "parley, TLS", "KiB", each}};
  };
  return {"idle conversations, TLS", {group}, {measure}};
}

}  // namespace bench
