#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "report.hpp"

namespace bench {

[[nodiscard]] inline const row* find_row(const rows& all, std::string_view group,
                                         std::string_view size, std::string_view contender) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const row& r) {
    return r.group == group && r.size == size && r.contender == contender && !r.rounds.empty();
  });
  return found == all.end() ? nullptr : &*found;
}

/// Whether these are sockets and nothing else.
[[nodiscard]] inline bool is_bare(std::string_view contender) {
  return contender.starts_with("bare");
}

/// Not a way to exchange messages, but what it costs at least to be built on Asio.
inline constexpr std::string_view asio_floor = "Asio, callbacks";

/// Whether this is somebody else's way to exchange messages: neither parley nor a floor.
[[nodiscard]] inline bool is_peer(std::string_view contender) {
  return !contender.starts_with("parley") && !is_bare(contender) && contender != asio_floor;
}

/// Whom the others of a group are compared with: bare sockets that do the same work as well as it
/// can be done; or, of what compiling costs, what parley includes of Asio. Empty where there are
/// none.
[[nodiscard]] inline std::string reference_of(std::string_view group, const rows& all) {
  if (group.starts_with("compile cost")) return "Asio's parts";
  if (group == "one-way stream") return "bare batched";
  std::string first;
  for (const auto& r : all) {
    if (r.group != group || !is_bare(r.contender)) continue;
    if (r.contender == "bare epoll") return r.contender;
    if (first.empty()) first = r.contender;
  }
  return first;
}

/// The different values of one member of the rows, in the order of their first appearance.
[[nodiscard]] inline std::vector<std::string> distinct(const rows& all, std::string row::* member) {
  std::vector<std::string> found;
  for (const auto& r : all)
    if (std::find(found.begin(), found.end(), r.*member) == found.end()) found.push_back(r.*member);
  return found;
}

[[nodiscard]] inline rows rows_of(const rows& all, std::string_view group) {
  rows found;
  for (const auto& r : all)
    if (r.group == group) found.push_back(r);
  return found;
}

}  // namespace bench
