#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <parley/options.hpp>

#include "contender.hpp"

namespace bench {

/// How a program uses parley.
struct parley_use {
  enum class transport { tcp, unix_socket };
  enum class style {
    tries,   ///< `try_send` and `try_receive`, and waits only where these say so
    awaits,  ///< one `co_await` for each message
  };
  std::string name;
  transport over = transport::tcp;
  style calls = style::tries;
  std::chrono::microseconds spin{0};  ///< before it sleeps; 0: not at all
  /// Of both sides, where these are not the defaults: what that changes, a one-way stream shows.
  std::optional<parley::options> settings{};
};

/// Parley with everything on: numbers, acknowledgements, windows, heartbeats.
[[nodiscard]] std::unique_ptr<contender> make_parley(const parley_use& use);

/// The same over TLS, as `parley_use` is by default; needs OpenSSL.
[[nodiscard]] std::unique_ptr<contender> make_parley_tls();

}  // namespace bench
