#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "chat/program/settings.hpp"

namespace chat {

/// What the server's command line says.
struct server_settings : settings {
  std::string bind;  ///< an address of this machine or unix:/path; empty: all addresses
  bool once = false;
  std::vector<std::string> allow;  ///< identities, and files of them; empty: everybody
  std::string invite;              ///< for so many seconds; empty: nobody

  /// How long an invitation is good.
  [[nodiscard]] std::chrono::milliseconds invite_for() const {
    return invite == unstated ? std::chrono::hours(24) : seconds_in("--invite", invite);
  }
};

}  // namespace chat
