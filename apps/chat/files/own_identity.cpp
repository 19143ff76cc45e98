#include "chat/files/own_identity.hpp"

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include <parley/credentials.hpp>
#include <parley/printable.hpp>

#include "chat/files/own_files.hpp"
#include "chat/program/outcome.hpp"

namespace chat {

own_identity load_identity(const std::string& program) {
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

exit_status print_identity(const own_identity& me) {
  const bool written = std::puts(to_string(me.id()).c_str()) >= 0 && std::fflush(stdout) == 0;
  return written ? exit_status::delivered : exit_status::internal;
}

}  // namespace chat
