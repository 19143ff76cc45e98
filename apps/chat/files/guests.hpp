#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/error.hpp>
#include <parley/identity.hpp>
#include <parley/invitations.hpp>
#include <parley/printable.hpp>
#include <parley/tls.hpp>

#include "chat/files/known_peers.hpp"
#include "chat/files/own_files.hpp"
#include "chat/program/outcome.hpp"

namespace chat {

/// Whom a server lets in: everybody, or those on its lists and those who bring an invitation.
///
/// Who came with an invitation stands in a file of the user's folder, and is let in whenever there
/// are invitations. The object must outlive what `security` gave.
class guests {
 public:
  /// `allowed`: identities, or files that list them. Throws `usage_error`, `file_error`.
  guests(const std::vector<std::string>& allowed, bool invites)
      : everybody_(allowed.empty() && !invites) {
    for (const auto& one : allowed) allow(one);
    if (!invites) return;
    path_ = own_files::folder() + "/invited_peers";
    add_list(path_, own_files::read(path_, own_files::readers::anybody).value_or(""));
    invitations_ = std::make_shared<parley::invitations>(
        [this](const parley::identity& id) { came_invited(id); });
  }
  guests(const guests&) = delete;
  guests& operator=(const guests&) = delete;
  ~guests() = default;

  [[nodiscard]] bool invites() const noexcept { return invitations_ != nullptr; }

  /// Tells, from now on, who came with an invitation, or that it could not be written down.
  void whenever(std::function<void(const std::string&)> tell) { tell_ = std::move(tell); }

  [[nodiscard]] parley::tls_security security(std::shared_ptr<const parley::credentials> me) const {
    return parley::tls_security(
        std::move(me),
        [this](const parley::identity& id) {
          return everybody_ || listed_.has(id) ? std::error_code{}
                                               : make_error_code(parley::errc::refused_not_allowed);
        },
        invitations_);
  }

  /// One more invitation, to be used at this address until then. There must be invitations.
  [[nodiscard]] parley::invitation invite(const parley::identity& me, std::string address,
                                          parley::invitations::time_point until) {
    return invitations_->make(me, std::move(address), until);
  }

 private:
  void allow(const std::string& one) {
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

  void add_list(const std::string& path, const std::string& text) {
    auto list = parse_peers(text);
    if (list.bad_line != 0)
      throw file_error("line " + std::to_string(list.bad_line) + " of " + parley::printable(path) +
                       " does not begin with an identity");
    for (auto& p : list.peers) listed_.peers.push_back(std::move(p));
  }

  void came_invited(const parley::identity& id) {
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

  bool everybody_;
  peer_list listed_;
  std::string path_;
  std::shared_ptr<parley::invitations> invitations_;
  std::function<void(const std::string&)> tell_;
};

}  // namespace chat
