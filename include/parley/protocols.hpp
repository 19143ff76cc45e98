#pragma once

#include <parley/protocol/lines.hpp>
#include <parley/protocol/session.hpp>

/// The protocols that two peers can speak: what `dial`, a listener and a peer are given as
/// `Protocol`.
namespace parley {

/// parley/1: framed messages that are acknowledged, and a conversation that outlives its
/// connections. The default.
using protocol::session;

/// A line of UTF-8 is a message: for `nc`, `telnet` and programs that know nothing of parley.
using protocol::lines;

}  // namespace parley
