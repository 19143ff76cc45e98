#pragma once

#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <parley/error.hpp>
#include <parley/identity.hpp>
#include <parley/printable.hpp>
#include <parley/tls.hpp>

#include "chat/files/known_peers.hpp"
#include "chat/files/own_files.hpp"
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
                std::string pinned_by, bool strict)
      : path_(own_files::folder() + "/known_peers"),
        where_(place(server)),
        pinned_(pinned),
        pinned_by_(std::move(pinned_by)),
        strict_(strict) {
    const auto list = parse_peers(own_files::read(path_, own_files::readers::anybody).value_or(""));
    if (list.bad_line != 0)
      throw file_error("line " + std::to_string(list.bad_line) + " of " + parley::printable(path_) +
                       " is damaged; mend it, or remove it");
    if (const auto* const one = list.find(where_)) known_ = *one;
  }

  /// What a connector asks about each listener that it reaches.
  [[nodiscard]] parley::admission_check check() const {
    return [expected = expected(), strict = strict_,
            shown = shown_](const parley::identity& id) -> std::error_code {
      *shown = id;
      if (expected && *expected != id) return parley::errc::wrong_identity;
      return !expected && strict ? make_error_code(parley::errc::unknown_identity)
                                 : std::error_code{};
    };
  }

  /// This one has welcomed us: remembers it if it is new here, and says so. Throws `file_error`.
  [[nodiscard]] std::optional<std::string> met(const parley::identity& id) const {
    if (known_) return std::nullopt;
    if (where_.find('\n') != where_.npos)
      throw file_error("an address with a line feed cannot be remembered");
    own_files::append(path_, to_line(id, where_));
    return "new here: " + parley::printable(where_) + " is from now on " + to_string(id) +
           (expected() ? "" : "; compare that with what it says of itself");
  }

  /// Why a server is not taken for the right one, and what to do; none if that is not the matter.
  [[nodiscard]] std::optional<std::string> explain(std::error_code why) const {
    if (!*shown_) return std::nullopt;
    const std::string shows = "it shows the identity " + to_string(**shown_) + ", ";
    if (why == parley::errc::unknown_identity)
      return shows +
             "which is not known here, and --strict takes no new one; if it is right, use "
             "--peer-id " +
             to_string(**shown_);
    if (why != parley::errc::wrong_identity || !expected()) return std::nullopt;
    if (pinned_)
      return shows + "not " + to_string(*pinned_) + " as " + pinned_by_ +
             " says: SOMEBODY MAY BE IN BETWEEN; ask whoever runs it what it should be";
    return shows + "but it is known as " + to_string(known_->id) +
           ": SOMEBODY MAY BE IN BETWEEN, or it was set up anew; if you are sure of that, remove "
           "line " +
           std::to_string(known_->line) + " of " + parley::printable(path_);
  }

 private:
  /// An address as it is remembered: with its port, and in lower case where case says nothing.
  [[nodiscard]] static std::string place(address a) {
    if (!a.is_unix())
      for (char& c : a.host)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return to_string(a);
  }

  [[nodiscard]] std::optional<parley::identity> expected() const {
    if (pinned_ || !known_) return pinned_;
    return known_->id;
  }

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
