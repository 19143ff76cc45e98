#include "parley_contender.hpp"

#include <utility>

#include <parley/dial.hpp>
#include <parley/listener.hpp>

#include "parley_side.hpp"
#include "support/process.hpp"

namespace bench {
namespace {

using style = parley_use::style;
using transport = parley_use::transport;

class parley_contender final : public contender {
 public:
  explicit parley_contender(parley_use use) : use_(std::move(use)) {}

  [[nodiscard]] std::string name() const override { return use_.name; }

  [[nodiscard]] bool takes(const trial& t) const override {
    if (use_.settings) return t.what == work::one_way;
    const bool stream = t.what == work::one_way || t.what == work::both_ways;
    if (use_.calls == style::awaits) return stream;
    return use_.spin.count() == 0 || !stream;
  }

  void serve(const trial& t, const announce& say) override {
    run_parley(serve_one(t, say), use_.spin);
  }

  figures call(const trial& t, const std::string& address) override {
    figures seen;
    run_parley(call_one(t, address, seen), use_.spin);
    return seen;
  }

 private:
  asio::awaitable<void> serve_one(trial t, announce say) const {
    const parley::test::scratch folder;  // where the Unix socket is
    parley::listener listener(co_await asio::this_coro::executor, settings());
    if (use_.over == transport::tcp)
      listener.listen("127.0.0.1", 0);
    else
      listener.listen_unix(folder / "socket");
    say(use_.over == transport::tcp ? std::to_string(parley::port_of(listener.endpoints().front()))
                                    : folder / "socket");
    side here(co_await listener.accept(), t, use_.calls);
    co_await serve_trial(here, t);
  }

  asio::awaitable<void> call_one(trial t, std::string address, figures& seen) const {
    side here(co_await dial(address), t, use_.calls);
    seen = co_await call_trial(here, t);
  }

  [[nodiscard]] asio::awaitable<parley::peer> dial(const std::string& address) const {
    if (use_.over == transport::tcp) return parley::dial("127.0.0.1", address, settings());
    return parley::dial(parley::unix_connector{address}, settings());
  }

  [[nodiscard]] parley::options settings() const {
    return use_.settings.value_or(parley::options());
  }

  parley_use use_;
};

}  // namespace

std::unique_ptr<contender> make_parley(const parley_use& use) {
  return std::make_unique<parley_contender>(use);
}

}  // namespace bench
