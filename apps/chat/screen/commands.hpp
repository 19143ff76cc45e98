#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <parley/printable.hpp>

#include "chat/screen/view.hpp"

namespace chat {

/// What a line typed on a terminal asks for.
enum class command { say, quit, help, me, name, ping, stats, peer, pending, clear, unknown };

struct typed {
  command what;
  std::string_view rest;  ///< what to say, or what stands behind the command
};

namespace detail {
struct command_help {
  std::string_view name;
  command what;
  std::string_view help;
};
inline constexpr std::array<command_help, 9> all_commands = {{
    {"quit", command::quit, "/quit        say goodbye and leave; Ctrl-D does the same"},
    {"help", command::help, "/help        this list; //x sends /x"},
    {"me", command::me, "/me TEXT     tell what you do: * Ann waves"},
    {"name", command::name, "/name [NAME] who you are, or will be from now on"},
    {"ping", command::ping, "/ping        how long a message and its answer take"},
    {"stats", command::stats, "/stats       what has been sent and received"},
    {"peer", command::peer, "/peer        who is at the other end, and how well that is known"},
    {"pending", command::pending, "/pending     which of your messages are not delivered yet"},
    {"clear", command::clear, "/clear       clear the screen"},
}};
}  // namespace detail

/// Takes a line apart. Only a line that begins with one slash is a command, and no command that
/// nobody knows is ever taken for something to say: it may be a slip, and secret.
[[nodiscard]] inline typed understand(std::string_view line) {
  if (!line.starts_with('/')) return {command::say, line};
  if (line.starts_with("//")) return {command::say, line.substr(1)};
  const auto blank = std::min(line.find(' '), line.size());
  const auto name = line.substr(1, blank - 1);
  auto rest = line.substr(blank);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  for (const auto& c : detail::all_commands)
    if (c.name == name) return {c.what, rest};
  return {command::unknown, line.substr(0, blank)};
}

/// Answers what needs nobody at the other end. False: it is not such a command.
inline bool answer_alone(const typed& t, view& v) {
  switch (t.what) {
    case command::help:
      for (const auto& c : detail::all_commands) v.note(c.help);
      return true;
    case command::clear: v.clear(); return true;
    case command::unknown:
      v.note("there is no command " + parley::printable(t.rest) +
             ", so nothing was sent; /help lists them, // sends a slash");
      return true;
    default: return false;
  }
}

}  // namespace chat
