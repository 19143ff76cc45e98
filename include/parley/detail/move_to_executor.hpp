#pragma once

#include <unistd.h>

#include <optional>
#include <system_error>

#include <parley/detail/asio.hpp>
#include <parley/endpoint.hpp>

namespace parley::detail {

/// The same connection for another executor, which may be another thread's. No operation may be
/// under way on `s`, which is closed afterwards. None: the connection is gone, or there is no room.
[[nodiscard]] inline std::optional<any_socket> move_to_executor(any_socket& s,
                                                                const asio::any_io_executor& e) {
  std::error_code ec;
  const auto protocol = s.local_endpoint(ec).protocol();
  if (ec) return std::nullopt;
  const int fd = s.release(ec);
  if (ec) return std::nullopt;
  any_socket moved(e);
  moved.assign(protocol, fd, ec);
  if (!ec) return moved;
  ::close(fd);
  return std::nullopt;
}

}  // namespace parley::detail
