#include <memory>
#include <string>
#include <utility>

#include <parley/tls.hpp>

#include "contender.hpp"
#include "parley_contender.hpp"
#include "parley_side.hpp"

namespace bench {
namespace {

[[nodiscard]] std::shared_ptr<const parley::credentials> new_credentials() {
  return std::make_shared<const parley::credentials>(parley::credentials::make());
}

/// Parley as it is by default, over TLS. Both ends have an identity, and take any of the other's.
class parley_tls final : public contender {
 public:
  [[nodiscard]] std::string name() const override { return "parley, TLS"; }
  [[nodiscard]] bool encrypts() const override { return true; }

  void serve(const trial& t, const announce& say) override { run_parley(serve_one(t, say)); }

  figures call(const trial& t, const std::string& port) override {
    figures seen;
    run_parley(call_one(t, port, seen));
    return seen;
  }

 private:
  using style = parley_use::style;

  static asio::awaitable<void> serve_one(trial t, announce say) {
    parley::tls_listener listener(co_await asio::this_coro::executor, parley::options(),
                                  parley::tls_security(new_credentials()));
    listener.listen("127.0.0.1", 0);
    say(std::to_string(parley::port_of(listener.endpoints().front())));
    side here(co_await listener.accept(), t, style::tries);
    co_await serve_trial(here, t);
  }

  static asio::awaitable<void> call_one(trial t, std::string port, figures& seen) {
    const parley::tcp_connector there{"127.0.0.1", std::move(port)};
    const parley::tls_connector to(there, new_credentials(), {});
    side here(co_await parley::dial(to), t, style::tries);
    seen = co_await call_trial(here, t);
  }
};

}  // namespace

std::unique_ptr<contender> make_parley_tls() { return std::make_unique<parley_tls>(); }

}  // namespace bench
