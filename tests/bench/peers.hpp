#pragma once

#include <memory>

#include "contender.hpp"

// Other ways to exchange messages, each in a file of its own; some need their library.
namespace bench {

[[nodiscard]] std::unique_ptr<contender> make_zeromq();
[[nodiscard]] std::unique_ptr<contender> make_nng();
[[nodiscard]] std::unique_ptr<contender> make_beast();
[[nodiscard]] std::unique_ptr<contender> make_bare_tls();
[[nodiscard]] std::unique_ptr<contender> make_asio_callbacks();
[[nodiscard]] std::unique_ptr<contender> make_asio_write();
[[nodiscard]] std::unique_ptr<contender> make_asio_chat();

}  // namespace bench
