#pragma once

#include <optional>
#include <string>
#include <string_view>

/// The small files that belong to the user of a program: read and written whole, at its start or
/// between two conversations. All of it throws `file_error`.
namespace chat::own_files {

/// Whom a file may be read by.
enum class readers { anybody, owner_alone };

/// Where parley keeps its files: `$XDG_CONFIG_HOME/parley`, or `~/.config/parley`; the folder is
/// made if it is not there, for its owner alone. A relative `$XDG_CONFIG_HOME` counts as none (XDG
/// Base Directory Specification 0.8).
[[nodiscard]] std::string folder();

/// All of a file, or of a pipe that is given as one; none if it is not there.
[[nodiscard]] std::optional<std::string> read(const std::string& path, readers who);

/// Makes a file that only its owner can read, whole or not at all. False: it is there already, and
/// was left as it is.
[[nodiscard]] bool create(const std::string& path, std::string_view text);

/// Puts a line, which ends with a line feed, behind what a file has; the file is made if it is not
/// there. Whole or not at all; several programs may do so at once.
void append(const std::string& path, std::string line);

}  // namespace chat::own_files
