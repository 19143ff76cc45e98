#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>

#include <asio/io_context.hpp>

#include <parley/detail/asio.hpp>
#include <parley/printable.hpp>
#include <parley/run_spinning.hpp>

#include "chat/program/outcome.hpp"

namespace chat {

/// Makes sure that 0, 1 and 2 are open, so that no socket ever gets one of these numbers and is
/// taken for stdout. What was closed cannot be read, or fails to be written.
inline void hold_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) == -1) (void)::open("/dev/null", O_RDONLY);
}

/// Runs `work`, and what it has started, to the end; returns how it ended. What it throws, it
/// throws. Looks for the next event for as long as `spin` before it sleeps.
inline exit_status run(asio::awaitable<exit_status> work, std::chrono::microseconds spin) {
  asio::io_context io(1);
  std::exception_ptr thrown;
  auto status = exit_status::internal;
  asio::co_spawn(io, std::move(work), [&](std::exception_ptr e, exit_status s) {
    thrown = std::move(e);
    status = s;
    io.stop();
  });
  if (spin.count() == 0)
    io.run();
  else
    parley::run_spinning(io, spin);
  io.restart();
  // What is left are connections that close. A stranger in the middle of a greeting may take its
  // time over that, and nobody waits for it.
  io.run_for(std::chrono::milliseconds(200));
  if (thrown) std::rethrow_exception(thrown);
  return status;
}

/// The frame of `main`: runs `body`, which may throw, and returns what the process is to return.
template <typename Body>
int run_program(const std::string& name, Body body) {
  hold_standard_streams();
  const auto complain = [&name](const std::string& what, exit_status status) {
    std::fputs((name + ": " + what + "\n").c_str(), stderr);
    return static_cast<int>(status);
  };
  try {
    return static_cast<int>(body());
  } catch (const usage_error& e) {
    return complain(std::string(e.what()) + " (see " + name + " --help)", exit_status::usage);
  } catch (const file_error& e) {
    return complain(e.what(), exit_status::internal);
  } catch (const std::exception& e) {
    return complain("internal error: " + parley::printable(e.what()), exit_status::internal);
  }
}

}  // namespace chat
