#pragma once

#include <optional>
#include <string>

#include <parley/identity.hpp>
#include <parley/invitation.hpp>
#include <parley/printable.hpp>

#include "chat/files/acquaintances.hpp"
#include "chat/files/own_identity.hpp"
#include "chat/program/client_settings.hpp"
#include "chat/program/outcome.hpp"

namespace chat {

/// What this side is to prove, and what the server must be.
struct terms {
  own_identity me;
  acquaintances known;
  std::optional<parley::invitation_secret> invited;
};

/// The terms for joining that server.
[[nodiscard]] inline terms terms_for(const client_settings& s,
                                     const std::optional<parley::invitation>& invitation) {
  std::optional<parley::identity> pinned;
  std::string by = "--peer-id";
  if (!s.peer_id.empty()) {
    pinned = parley::parse_identity(s.peer_id);
    if (!pinned)
      throw usage_error("--peer-id: '" + parley::printable(s.peer_id) +
                        "' is no identity, or was mistyped");
  }
  std::optional<parley::invitation_secret> secret;
  if (invitation) {
    if (pinned && *pinned != invitation->listener)
      throw usage_error("--peer-id contradicts the invitation");
    if (!pinned) by = "the invitation";
    pinned = invitation->listener;
    secret = invitation->secret;
  }
  return {load_identity(s.program), acquaintances(s.server, pinned, by, s.strict), secret};
}

}  // namespace chat
