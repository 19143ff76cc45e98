#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "calibrate.hpp"
#include "contender.hpp"
#include "heat.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "run_trial.hpp"
#include "settings.hpp"
#include "statistics.hpp"

namespace bench {

/// Who takes part in a heat, and with how many messages.
struct entry {
  contender* who = nullptr;
  trial what{};
};

/// Runs a heat: in each round every contender once, in an order that is turned on from round to
/// round, so that what changes in the machine meanwhile meets them all alike.
class heat_runner {
 public:
  heat_runner(const heat& h, const settings& s, progress& p)
      : heat_(h),
        effort_(effort_of(s)),
        rounds_(static_cast<std::size_t>(s.rounds)),
        progress_(p) {}

  /// Throws `std::runtime_error`, which names contender and trial, where one of them fails.
  rows run(const std::vector<contender*>& who) {
    progress_.begin(title(heat_));
    for (contender* const c : who) enter(*c);
    for (std::size_t round = 0; round < rounds_; ++round)
      for (std::size_t i = 0; i < entries_.size(); ++i)
        run_once((round + i) % entries_.size(), round);
    return std::move(rows_);
  }

 private:
  void enter(contender& c) {
    progress_.step("calibrating " + c.name());
    guarded(c, [&] { entries_.push_back({&c, calibrate(c, heat_, effort_)}); });
    const std::string unit = heat_.what.what == work::ping_pong ? "µs" : "k/s";
    for (const auto& group : groups_of(heat_))
      rows_.push_back({group, size_text(heat_.what.size), c.name(), unit, {}});
  }

  void run_once(std::size_t index, std::size_t round) {
    const entry& e = entries_[index];
    progress_.step("round " + std::to_string(round + 1) + "/" + std::to_string(rounds_) + ", " +
                   e.who->name());
    guarded(*e.who, [&] { note(index, run_trial(*e.who, e.what, heat_.where)); });
  }

  void note(std::size_t index, figures seen) {
    if (heat_.what.what != work::ping_pong) {
      const std::chrono::duration<double, std::milli> elapsed = seen.elapsed;
      rows_[index].rounds.push_back(static_cast<double>(entries_[index].what.count) /
                                    elapsed.count());  // a thousand a second: one a millisecond
      return;
    }
    std::vector<double> turns;
    for (std::size_t i = seen.turns.size() / warm_up_share; i < seen.turns.size(); ++i)
      turns.push_back(std::chrono::duration<double, std::micro>(seen.turns[i]).count());
    rows_[2 * index].rounds.push_back(quantile(turns, 0.5));
    rows_[2 * index + 1].rounds.push_back(quantile(turns, 0.99));
  }

  template <typename Work>
  void guarded(const contender& c, Work work) const {
    try {
      work();
    } catch (const std::exception& e) {
      throw std::runtime_error(c.name() + ", " + title(heat_) + ": " + e.what());
    }
  }

  heat heat_;
  effort effort_;
  std::size_t rounds_;
  progress& progress_;
  std::vector<entry> entries_;
  rows rows_;  ///< of each contender in turn, one for each group
};

}  // namespace bench
