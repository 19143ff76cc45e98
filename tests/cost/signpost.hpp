#pragma once

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <system_error>

#include "support/process.hpp"

namespace parley::test {

/// How an end that listens tells the other one where, though that is a process of its own.
///
/// Made before the processes part; told once, read once.
class signpost {
 public:
  signpost() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
      throw std::system_error(errno, std::generic_category(), "pipe");
    reader_ = descriptor(ends[0]);
    writer_ = descriptor(ends[1]);
  }

  void tell(unsigned short port) const {
    if (::write(writer_.get(), &port, sizeof port) != sizeof port)
      throw std::system_error(errno, std::generic_category(), "write to the signpost");
  }

  /// Waits until it was told.
  [[nodiscard]] unsigned short read() const {
    pollfd told{reader_.get(), POLLIN, 0};
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
    unsigned short port = 0;
    if (::poll(&told, 1, static_cast<int>(ms)) != 1 ||
        ::read(reader_.get(), &port, sizeof port) != sizeof port)
      throw std::runtime_error("nobody tells where it listens");
    return port;
  }

 private:
  descriptor reader_;
  descriptor writer_;
};

}  // namespace parley::test
