#pragma once

#include <string>

#include <parley/invitation.hpp>
#include <parley/printable.hpp>

#include "chat/files/own_files.hpp"
#include "chat/program/outcome.hpp"
#include "chat/program/prompt.hpp"

namespace chat {

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
