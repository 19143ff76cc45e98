#include "chat/files/acquaintances.hpp"

#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <parley/error.hpp>
#include <parley/identity.hpp>
#include <parley/printable.hpp>

#include "chat/files/known_peers.hpp"
#include "chat/files/own_files.hpp"
#include "chat/program/address.hpp"
#include "chat/program/outcome.hpp"

namespace chat {

namespace {

/// An address as it is remembered: with its port, and in lower case where case says nothing.
std::string place(address a) {
  if (!a.is_unix())
    for (char& c : a.host)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return to_string(a);
}

}  // namespace

acquaintances::acquaintances(const address& server, std::optional<parley::identity> pinned,
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

std::function<std::error_code(const parley::identity&)> acquaintances::check() const {
  return [expected = expected(), strict = strict_,
          shown = shown_](const parley::identity& id) -> std::error_code {
    *shown = id;
    if (expected && *expected != id) return parley::errc::wrong_identity;
    return !expected && strict ? make_error_code(parley::errc::unknown_identity)
                               : std::error_code{};
  };
}

std::optional<std::string> acquaintances::met(const parley::identity& id) const {
  if (known_) return std::nullopt;
  if (where_.find('\n') != where_.npos)
    throw file_error("an address with a line feed cannot be remembered");
  own_files::append(path_, to_line(id, where_));
  return "new here: " + parley::printable(where_) + " is from now on " + to_string(id) +
         (expected() ? "" : "; compare that with what it says of itself");
}

std::optional<std::string> acquaintances::explain(std::error_code why) const {
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

std::optional<parley::identity> acquaintances::expected() const {
  if (pinned_ || !known_) return pinned_;
  return known_->id;
}

}  // namespace chat
