#pragma once

#include <chrono>
#include <string>

#include "chat/program/address.hpp"
#include "chat/program/settings.hpp"

namespace chat {

/// What the client's command line says.
struct client_settings : settings {
  std::string host;            ///< as it was written; empty: to be asked for
  bool port_stated = false;    ///< by --port
  bool invite_stated = false;  ///< by --invite or the environment, if only as nothing
  chat::address server;        ///< what became of these
  std::string wait;            ///< seconds; empty: not at all
  std::string peer_id;         ///< whom to take for the server; empty: whom it was before
  std::string invite;          ///< an invitation, or where one is
  bool strict = false;

  /// How long to go on trying until there is a server.
  [[nodiscard]] std::chrono::milliseconds wait_for() const {
    if (wait.empty()) return std::chrono::milliseconds(0);
    if (wait == unstated) return std::chrono::hours(24 * 365);
    return seconds_in("--wait", wait);
  }
};

}  // namespace chat
