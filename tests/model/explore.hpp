#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "model/model.hpp"
#include "model/narrate.hpp"
#include "model/rules.hpp"
#include "model/state.hpp"

namespace parley::model {

/// States by number, each kept once.
///
/// An open hash table of numbers beside the states themselves; never more than half full.
class state_set {
 public:
  using index = std::uint32_t;

  /// The state's number, and whether it is new.
  std::pair<index, bool> insert(const state& s) {
    if (states_.size() * 2 >= slots_.size()) grow();
    const std::size_t at = find(s);
    if (slots_[at] != vacant) return {slots_[at], false};
    slots_[at] = static_cast<index>(states_.size());
    states_.push_back(s);
    return {slots_[at], true};
  }

  [[nodiscard]] const state& operator[](index i) const { return states_[i]; }
  [[nodiscard]] index size() const { return static_cast<index>(states_.size()); }

 private:
  static constexpr index vacant = std::numeric_limits<index>::max();

  [[nodiscard]] std::size_t find(const state& s) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = hash_of(s) & mask;
    while (slots_[at] != vacant && !same(states_[slots_[at]], s)) at = (at + 1) & mask;
    return at;
  }

  void grow() {
    slots_.assign(slots_.empty() ? 1024 : slots_.size() * 2, vacant);
    for (index i = 0; i < size(); ++i) slots_[find(states_[i])] = i;
  }

  std::deque<state> states_;
  std::vector<index> slots_;
};

struct finding {
  rule broken = rule::kept;
  std::size_t states = 0;
  std::string trace;  ///< the shortest way to the broken rule
};

/// Visits every state that a model can be in, nearest first.
///
///   explorer all(design, scenario);
///   const finding f = all.run();      // once
///   CHECK(f.broken == rule::kept);
///   CHECK(all.count([](const state& s) { return s.restarted; }) != 0);
///
/// That every conversation can end is decided afterwards: from the good ends backwards, over the
/// steps that healthy sides make, every state must be met.
class explorer {
 public:
  explorer(const design& d, const scenario& bounds) : model_(d, bounds), bounds_(bounds) {}

  [[nodiscard]] finding run() {
    add(model_.initial(), 0, {});
    for (index at = 0; at < states_.size(); ++at) {
      edges_begin_.push_back(static_cast<index>(edges_.size()));
      if (states_[at].broken != rule::kept) return found(states_[at].broken, at);
      expand(at);
    }
    edges_begin_.push_back(static_cast<index>(edges_.size()));
    return judge_ends();
  }

  /// How many of the states visited `holds` is true of.
  template <typename Predicate>
  [[nodiscard]] std::size_t count(Predicate holds) const {
    std::size_t n = 0;
    for (index at = 0; at < states_.size(); ++at)
      if (holds(states_[at])) ++n;
    return n;
  }

 private:
  using index = state_set::index;

  struct origin {
    index from;
    action by;
  };

  index add(const state& s, index from, action by) {
    const auto [at, fresh] = states_.insert(s);
    if (fresh) origins_.push_back({from, by});
    return at;
  }

  void expand(index at) {
    const state from = states_[at];
    model_.each_step(from, [&](action by, const state& to) {
      const index reached = add(to, at, by);
      if (!model::is_fault(from, by)) edges_.push_back(reached);
    });
  }

  [[nodiscard]] finding judge_ends() const {
    const std::vector<bool> ends = can_end();
    for (index at = 0; at < states_.size(); ++at) {
      if (ends[at]) continue;
      return found(states_[at].excused() ? rule::can_end : rule::can_end_well, at);
    }
    return {rule::kept, states_.size(), {}};
  }

  /// For each state, whether a good end can be reached from it without any fault.
  [[nodiscard]] std::vector<bool> can_end() const {
    const auto [begins, sources] = reversed_edges();
    std::vector<bool> met(states_.size());
    std::vector<index> open;
    const auto meet = [&](index at) {
      if (met[at]) return;
      met[at] = true;
      open.push_back(at);
    };
    for (index at = 0; at < states_.size(); ++at)
      if (is_good_end(bounds_, states_[at])) meet(at);
    while (!open.empty()) {
      const index at = open.back();
      open.pop_back();
      for (index i = begins[at]; i < begins[at + 1]; ++i) meet(sources[i]);
    }
    return met;
  }

  /// The steps that lead to state n come from `second[first[n]]` up to `second[first[n + 1]]`.
  [[nodiscard]] std::pair<std::vector<index>, std::vector<index>> reversed_edges() const {
    std::vector<index> begins(states_.size() + 1);
    for (const index to : edges_) ++begins[to];
    index sum = 0;
    for (index& b : begins) b = sum += b;  // the ends of the ranges, which become their begins
    std::vector<index> sources(edges_.size());
    for (index from = 0; from < states_.size(); ++from)
      for (index i = edges_begin_[from]; i < edges_begin_[from + 1]; ++i)
        sources[--begins[edges_[i]]] = from;
    return {std::move(begins), std::move(sources)};
  }

  [[nodiscard]] finding found(rule broken, index at) const {
    return {broken, states_.size(), trace_to(at) + std::string(name_of(broken)) + ": broken"};
  }

  [[nodiscard]] std::string trace_to(index at) const {
    std::vector<index> path;
    for (index i = at; i != 0; i = origins_[i].from) path.push_back(i);
    std::string text;
    for (std::size_t n = path.size(); n-- > 0;) {
      const origin& o = origins_[path[n]];
      const state& before = states_[o.from];
      text +=
          std::to_string(path.size() - n) + ". " + text_of(before, o.by, states_[path[n]]) + '\n';
    }
    return text + text_of(states_[at]) + '\n';
  }

  model model_;
  scenario bounds_;
  state_set states_;
  std::vector<origin> origins_;
  std::vector<index> edges_, edges_begin_;  ///< from each state, over steps that are no faults
};

}  // namespace parley::model
