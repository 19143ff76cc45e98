#pragma once

#include <parley/detail/asio.hpp>

#include "chat/program/outcome.hpp"
#include "chat/program/settings.hpp"
#include "chat/screen/console.hpp"

namespace chat {

/// What the program does when a conversation is over.
enum class afterwards { exits, waits_for_the_next };

/// Holds one conversation and completes with its outcome. talk.cpp has it for the peers of both
/// programs: over TLS, and on plain lines.
template <typename Peer>
asio::awaitable<outcome> talk(Peer peer, console& here, const settings& s, afterwards then);

}  // namespace chat
