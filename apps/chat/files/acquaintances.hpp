#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include <parley/identity.hpp>

#include "chat/files/known_peers.hpp"
#include "chat/program/address.hpp"

namespace chat {

/// Which server a client takes for the right one: the one it was told of, else the one that it met
/// at this address before; one that it never met it remembers, or, if it is to be strict, refuses.
///
///   acquaintances known(server, pinned, "--peer-id", strict);
///   parley::tls_connector connect(base, me, known.check());
///   ... known.met(peer.identity())
class acquaintances {
 public:
  /// `pinned`: who it must be, as `pinned_by` says. Throws `file_error`.
  acquaintances(const address& server, std::optional<parley::identity> pinned,
                std::string pinned_by, bool strict);

  /// What a connector asks about each listener that it reaches.
  [[nodiscard]] std::function<std::error_code(const parley::identity&)> check() const;

  /// This one has welcomed us: remembers it if it is new here, and says so. Throws `file_error`.
  [[nodiscard]] std::optional<std::string> met(const parley::identity& id) const;

  /// Why a server is not taken for the right one, and what to do; none if that is not the matter.
  [[nodiscard]] std::optional<std::string> explain(std::error_code why) const;

 private:
  [[nodiscard]] std::optional<parley::identity> expected() const;

  std::string path_;
  std::string where_;
  std::optional<parley::identity> pinned_;
  std::string pinned_by_;
  bool strict_;
  std::optional<known_peer> known_;
  /// By the listener reached last; shared with the check, which outlives this.
  std::shared_ptr<std::optional<parley::identity>> shown_ =
      std::make_shared<std::optional<parley::identity>>();
};

}  // namespace chat
