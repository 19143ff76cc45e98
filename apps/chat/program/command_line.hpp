#pragma once

#include <optional>

#include "chat/program/client_settings.hpp"
#include "chat/program/server_settings.hpp"

namespace chat {

/// Read the command line of parley-client and of parley-server. None: it asked for the help or the
/// version, which was printed. Throw `usage_error`.
[[nodiscard]] std::optional<client_settings> parse_client_settings(int argc,
                                                                   const char* const* argv);
[[nodiscard]] std::optional<server_settings> parse_server_settings(int argc,
                                                                   const char* const* argv);

}  // namespace chat
