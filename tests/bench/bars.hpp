#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "reference.hpp"
#include "report.hpp"
#include "statistics.hpp"

namespace bench {

/// What must show: a ratio of two contenders, or a value where there is no reference.
struct bar {
  enum class limit { at_most, at_least };
  std::string_view group;
  std::string_view size;
  std::string_view contender;
  std::string_view reference;
  limit side;
  double value;
};

/// As a bar's reference: whoever is best of those that `is_peer`.
inline constexpr std::string_view best_peer = "the best peer";

/// The groups of crowds are named by who measures them, see crowds.hpp.
inline constexpr auto bars = [] {
  constexpr auto most = bar::limit::at_most;
  constexpr auto least = bar::limit::at_least;
  return std::to_array<bar>({
      {"ping-pong p50, one core", "32 B", "parley", "bare epoll", most, 1.08},
      {"ping-pong p50, one core", "1 KiB", "parley", "bare epoll", most, 1.08},
      {"ping-pong p50, one core", "64 KiB", "parley", "bare epoll", most, 1.05},
      {"ping-pong p99, one core", "32 B", "parley", "bare epoll", most, 1.15},
      {"ping-pong p99, one core", "1 KiB", "parley", "bare epoll", most, 1.15},
      {"ping-pong p50, one core", "32 B", "parley", best_peer, most, 1},
      {"ping-pong p50, one core", "1 KiB", "parley", best_peer, most, 1},
      {"ping-pong p50, one core", "64 KiB", "parley", best_peer, most, 1},
      {"ping-pong p50, two cores", "32 B", "parley", best_peer, most, 1},
      {"ping-pong p50, two cores", "1 KiB", "parley", best_peer, most, 1},
      {"ping-pong p50, two cores", "64 KiB", "parley", best_peer, most, 1},

      {"ping-pong p50, two cores", "32 B", "parley spinning", "bare blocking", most, 0.20},
      {"ping-pong p50, one core", "32 B", "parley spinning", "bare blocking", most, 1.2},

      {"one-way stream", "32 B", "parley", "bare batched", least, 0.9},
      {"one-way stream", "256 B", "parley", "bare batched", least, 0.95},
      {"one-way stream", "4 KiB", "parley", "bare batched", least, 0.95},
      {"one-way stream", "64 KiB", "parley", "bare batched", least, 0.95},
      {"one-way stream", "32 B", "parley", "ZeroMQ PAIR", least, 10},
      {"one-way stream", "256 B", "parley", "ZeroMQ PAIR", least, 7},
      {"one-way stream", "4 KiB", "parley", "ZeroMQ PAIR", least, 7},
      {"one-way stream", "64 KiB", "parley", "ZeroMQ PAIR", least, 1.8},
      {"one-way stream", "32 B", "parley co_await", "bare batched", least, 0.4},
      {"one-way stream", "32 B", "parley co_await", "ZeroMQ PAIR", least, 4},

      {"one-way stream", "32 B", "parley", "parley, hardly any acks", least, 0.98},
      {"one-way stream", "4 KiB", "parley", "parley, hardly any acks", least, 0.98},
      {"one-way stream", "32 B", "parley, heartbeat of 10 ms", "parley", least, 0.98},
      {"one-way stream", "4 KiB", "parley, heartbeat of 10 ms", "parley", least, 0.98},

      {"both-way stream", "32 B", "parley", "bare epoll", least, 0.95},
      {"both-way stream", "256 B", "parley", "bare epoll", least, 0.95},
      {"both-way stream", "4 KiB", "parley", "bare epoll", least, 0.95},
      {"both-way stream", "64 KiB", "parley", "bare epoll", least, 0.95},

      {"both-way stream, TLS", "32 B", "parley, TLS", "bare asio::ssl", least, 0.9},
      {"both-way stream, TLS", "256 B", "parley, TLS", "bare asio::ssl", least, 0.9},
      {"both-way stream, TLS", "4 KiB", "parley, TLS", "bare asio::ssl", least, 0.9},
      {"both-way stream, TLS", "64 KiB", "parley, TLS", "bare asio::ssl", least, 0.9},

      {"echo, 100 outstanding", "32 B", "parley", "bare epoll", least, 0.95},
      {"echo, 100 outstanding", "32 B", "parley", "ZeroMQ PAIR", least, 1.8},
      {"echo, 100 outstanding", "32 B", "parley spinning", "ZeroMQ PAIR", least, 8},

      {"idle conversation", "10,000", "parley", "", most, 2},
      {"busy conversations, worst p99 ÷ median", "1,000", "parley", "", most, 5},
      {"set-up rate", "", "parley", "bare accept", least, 0.7},
  });
}();

/// How a bar came out.
struct judgement {
  bool met = false;
  double measured = 0;
  std::string reference;  ///< whom it was compared with; empty: a value
};

/// Whom a bar compares with; none where that was not measured.
[[nodiscard]] inline const row* reference_row(const bar& b, const rows& all) {
  if (b.reference != best_peer) return find_row(all, b.group, b.size, b.reference);
  const row* best = nullptr;
  for (const auto& r : all) {
    if (r.group != b.group || r.size != b.size || !is_peer(r.contender)) continue;
    const bool lower = best == nullptr || median(r.rounds) < median(best->rounds);
    if (best == nullptr || lower == (b.side == bar::limit::at_most)) best = &r;
  }
  return best;
}

/// None where what it asks for was not measured.
[[nodiscard]] inline std::optional<judgement> judge(const bar& b, const rows& all) {
  const row* const r = find_row(all, b.group, b.size, b.contender);
  const row* const reference = reference_row(b, all);
  if (r == nullptr || (reference == nullptr && !b.reference.empty())) return std::nullopt;
  judgement j;
  j.measured = median(reference == nullptr ? r->rounds : ratios(r->rounds, reference->rounds));
  if (reference != nullptr) j.reference = reference->contender;
  j.met = b.side == bar::limit::at_most ? j.measured <= b.value : j.measured >= b.value;
  return j;
}

/// For the reports.
[[nodiscard]] inline std::string verdict(const std::optional<judgement>& j) {
  if (!j) return "not measured";
  return j->met ? "met" : "MISSED";
}

}  // namespace bench
