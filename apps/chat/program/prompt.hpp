#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>

#include "chat/program/outcome.hpp"

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

}  // namespace chat
