#pragma once

#include <memory>
#include <string>

#include <parley/credentials.hpp>
#include <parley/identity.hpp>

#include "chat/program/outcome.hpp"

namespace chat {

/// Who this side is, as a key in the user's folder says.
struct own_identity {
  std::shared_ptr<const parley::credentials> key;
  std::string path;   ///< of the key
  bool made = false;  ///< just now, for there was none

  [[nodiscard]] const parley::identity& id() const noexcept { return key->id(); }
};

/// Reads the key of `program`, or makes one. Each program has its own, so that two on one machine
/// can tell each other apart. Throws `file_error`.
[[nodiscard]] own_identity load_identity(const std::string& program);

/// Prints it on stdout, for `--allow` and `--peer-id` elsewhere.
[[nodiscard]] exit_status print_identity(const own_identity& me);

}  // namespace chat
