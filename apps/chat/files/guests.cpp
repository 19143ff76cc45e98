#include "chat/files/guests.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/error.hpp>
#include <parley/identity.hpp>
#include <parley/invitations.hpp>
#include <parley/printable.hpp>

#include "chat/files/known_peers.hpp"
#include "chat/files/own_files.hpp"
#include "chat/program/outcome.hpp"

namespace chat {

guests::guests(const std::vector<std::string>& allowed, bool invites)
    : everybody_(allowed.empty() && !invites) {
  for (const auto& one : allowed) allow(one);
  if (!invites) return;
  path_ = own_files::folder() + "/invited_peers";
  add_list(path_, own_files::read(path_, own_files::readers::anybody).value_or(""));
  invitations_ = std::make_shared<parley::invitations>(
      [this](const parley::identity& id) { came_invited(id); });
}

std::function<std::error_code(const parley::identity&)> guests::check() const {
  return [this](const parley::identity& id) {
    return everybody_ || listed_.has(id) ? std::error_code{}
                                         : make_error_code(parley::errc::refused_not_allowed);
  };
}

parley::invitation guests::invite(const parley::identity& me, std::string address,
                                  std::chrono::system_clock::time_point until) {
  return invitations_->make(me, std::move(address), until);
}

void guests::allow(const std::string& one) {
  if (const auto id = parley::parse_identity(one)) {
    listed_.peers.push_back({"", *id, 0});
    return;
  }
  const auto text = own_files::read(one, own_files::readers::anybody);
  if (!text)
    throw usage_error("--allow takes an identity, or a file with one in each line; '" +
                      parley::printable(one) + "' is neither");
  add_list(one, *text);
}

void guests::add_list(const std::string& path, const std::string& text) {
  auto list = parse_peers(text);
  if (list.bad_line != 0)
    throw file_error("line " + std::to_string(list.bad_line) + " of " + parley::printable(path) +
                     " does not begin with an identity");
  for (auto& p : list.peers) listed_.peers.push_back(std::move(p));
}

void guests::came_invited(const parley::identity& id) {
  listed_.peers.push_back({"", id, 0});
  std::string text = "the invitation was used by " + to_string(id) +
                     ", who may come again: " + "--allow " + parley::printable(path_);
  try {
    own_files::append(path_, to_line(id, "invited"));
  } catch (const file_error& e) {
    text = std::string(e.what()) + ", so that " + to_string(id) +
           ", who came invited, may come again only as long as this program runs";
  }
  if (tell_) tell_(text);
}

}  // namespace chat
