#pragma once

#include "chat/program/outcome.hpp"
#include "chat/program/server_settings.hpp"

namespace chat {

class guests;
struct own_identity;

/// Serve one caller after the other, with TLS or without; return the exit status when this side is
/// to leave, after one conversation with `--once`, or when it cannot listen or go on.
[[nodiscard]] exit_status serve_securely(const server_settings& s, const own_identity& me,
                                         guests& who);
[[nodiscard]] exit_status serve_plainly(const server_settings& s);

}  // namespace chat
