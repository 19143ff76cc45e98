#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>

#include <parley/printable.hpp>

#include "chat/program/outcome.hpp"

namespace chat {

/// Makes sure that 0, 1 and 2 are open, so that no socket ever gets one of these numbers and is
/// taken for stdout. What was closed cannot be read, or fails to be written.
inline void hold_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) == -1) (void)::open("/dev/null", O_RDONLY);
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
