#pragma once

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include <parley/credentials.hpp>
#include <parley/printable.hpp>

#include "chat/files/own_files.hpp"
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
[[nodiscard]] inline own_identity load_identity(const std::string& program) {
  using parley::credentials;
  own_identity me;
  me.path = own_files::folder() + "/" + program + ".pem";
  const auto readers = own_files::readers::owner_alone;
  try {
    auto pem = own_files::read(me.path, readers);
    if (!pem) {
      me.key = std::make_shared<const credentials>(credentials::make());
      me.made = own_files::create(me.path, me.key->to_pem());
      if (me.made) return me;
      pem = own_files::read(me.path, readers);  // another one was quicker
    }
    me.key = std::make_shared<const credentials>(credentials::from_pem(pem.value_or("")));
  } catch (const file_error&) {
    throw;
  } catch (const std::runtime_error& e) {
    throw file_error("cannot use " + parley::printable(me.path) + ": " +
                     parley::printable(e.what()) + "; restore it, or remove it for a new identity");
  }
  return me;
}

/// Prints it on stdout, for `--allow` and `--peer-id` elsewhere.
[[nodiscard]] inline exit_status print_identity(const own_identity& me) {
  const bool written = std::puts(to_string(me.id()).c_str()) >= 0 && std::fflush(stdout) == 0;
  return written ? exit_status::delivered : exit_status::internal;
}

}  // namespace chat
