#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/identity.hpp>
#include <parley/invitation.hpp>
#include <parley/invitations.hpp>

#include "chat/files/known_peers.hpp"

namespace chat {

/// Whom a server lets in: everybody, or those on its lists and those who bring an invitation.
///
/// Who came with an invitation stands in a file of the user's folder, and is let in whenever there
/// are invitations. The object must outlive what `check` and `invitations` gave.
class guests {
 public:
  /// `allowed`: identities, or files that list them. Throws `usage_error`, `file_error`.
  guests(const std::vector<std::string>& allowed, bool invites);
  guests(const guests&) = delete;
  guests& operator=(const guests&) = delete;
  ~guests() = default;

  [[nodiscard]] bool invites() const noexcept { return invitations_ != nullptr; }

  /// Tells, from now on, who came with an invitation, or that it could not be written down.
  void whenever(std::function<void(const std::string&)> tell) { tell_ = std::move(tell); }

  /// What a listener asks about each caller.
  [[nodiscard]] std::function<std::error_code(const parley::identity&)> check() const;

  /// What callers may come with; none if this server does not invite.
  [[nodiscard]] const std::shared_ptr<parley::invitations>& invitations() const noexcept {
    return invitations_;
  }

  /// One more invitation, to be used at this address until then. There must be invitations.
  [[nodiscard]] parley::invitation invite(const parley::identity& me, std::string address,
                                          std::chrono::system_clock::time_point until);

 private:
  void allow(const std::string& one);
  void add_list(const std::string& path, const std::string& text);
  void came_invited(const parley::identity& id);

  bool everybody_;
  peer_list listed_;
  std::string path_;
  std::shared_ptr<parley::invitations> invitations_;
  std::function<void(const std::string&)> tell_;
};

}  // namespace chat
