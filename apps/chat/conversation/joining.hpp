#pragma once

#include "chat/program/client_settings.hpp"
#include "chat/program/outcome.hpp"

namespace chat {

struct terms;

/// Join the server that the settings name, with TLS or without, and return when the conversation is
/// over and all that came has been shown.
[[nodiscard]] exit_status join_securely(const client_settings& s, const terms& t);
[[nodiscard]] exit_status join_plainly(const client_settings& s);

}  // namespace chat
