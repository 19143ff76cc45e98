#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>

#include <parley/invitation.hpp>
#include <parley/printable.hpp>

#include "outcome.hpp"
#include "own_files.hpp"

namespace chat {

/// A line that a person enters; none where there is no person.
[[nodiscard]] inline std::optional<std::string> ask(const char* what) {
  if (::isatty(STDIN_FILENO) == 0) return std::nullopt;
  std::fputs(what, stderr);
  std::string answer;
  // One by one: what is typed ahead belongs to the conversation.
  for (char c = 0; ::read(STDIN_FILENO, &c, 1) == 1 && c != '\n';) answer += c;
  const auto first = std::min(answer.find_first_not_of(" \t"), answer.size());
  return answer.substr(first, answer.find_last_not_of(" \t") + 1 - first);
}

/// Asks the person at the terminal which server to join, where there is a person.
[[nodiscard]] inline std::string ask_for_server() {
  const auto answer = ask("Enter server IP: ");
  if (!answer) throw usage_error("HOST is missing: which server to join");
  if (answer->empty()) throw usage_error("HOST is missing: no server was entered");
  return *answer;
}

/// The invitation that `--invite` or the environment names. A secret on the command line can be
/// seen by everybody on this machine, so there are other ways.
[[nodiscard]] inline parley::invitation find_invitation(std::string text) {
  if (text == "-") {
    const auto answer = ask("Enter invitation: ");
    if (!answer) throw usage_error("--invite -: there is no terminal to enter it at");
    text = *answer;
  } else if (text.starts_with("@")) {
    const std::string path = text.substr(1);
    const auto file = own_files::read(path, own_files::readers::anybody);
    if (!file) throw usage_error("--invite: there is no file " + parley::printable(path));
    text = file->substr(0, file->find_first_of("\r\n"));
  }
  const auto found = parley::parse_invitation(text);
  if (!found)  // not shown: it may be nearly right, and secret
    throw usage_error("--invite: this is no invitation, or it was not copied as a whole");
  return *found;
}

}  // namespace chat
