#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bars.hpp"
#include "reference.hpp"
#include "report.hpp"
#include "statistics.hpp"

namespace bench {

/// Three digits that mean something: 0.93, 16.2, 87210.
[[nodiscard]] inline std::string digits(double value) {
  int after_point = 2;
  if (value >= 10) after_point = 1;
  if (value >= 100) after_point = 0;
  std::array<char, 32> text;
  const int n = std::snprintf(text.data(), text.size(), "%.*f", after_point, value);
  return {text.data(), static_cast<std::size_t>(n)};
}

/// How many characters of UTF-8 this is.
[[nodiscard]] inline std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

/// `text` with spaces up to this width, and two more.
[[nodiscard]] inline std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(width - std::min(width, width_of(text)) + 2, ' ');
}

/// A group's table: a line for each contender, a column for each size.
class table {
 public:
  table(std::string group, const rows& all)
      : group_(std::move(group)),
        rows_(rows_of(all, group_)),
        reference_(reference_of(group_, all)) {
    const auto sizes = distinct(rows_, &row::size);
    lines_.push_back({""});
    lines_.front().insert(lines_.front().end(), sizes.begin(), sizes.end());
    for (const auto& contender : distinct(rows_, &row::contender)) {
      lines_.push_back({contender});
      for (const auto& size : sizes) lines_.back().push_back(cell(contender, size));
    }
  }

  void print(std::ostream& out) const {
    out << group_ << " (" << rows_.front().unit;
    if (!reference_.empty()) out << ", × " << reference_ << " [quartiles]";
    out << ")\n";
    for (const auto& cells : lines_) {
      std::string line;
      for (std::size_t i = 0; i < cells.size(); ++i) line += padded(cells[i], column_width(i));
      line.erase(line.find_last_not_of(' ') + 1);
      out << line << '\n';
    }
    out << '\n';
  }

 private:
  [[nodiscard]] std::string cell(const std::string& contender, const std::string& size) const {
    const row* const r = find_row(rows_, group_, size, contender);
    if (r == nullptr) return "–";
    std::string text = digits(median(r->rounds));
    const row* const reference = find_row(rows_, group_, size, reference_);
    if (reference == nullptr || reference == r) return text;
    const auto by_round = ratios(r->rounds, reference->rounds);
    return text + " " + digits(median(by_round)) + " [" + digits(quantile(by_round, 0.25)) + "–" +
           digits(quantile(by_round, 0.75)) + "]";
  }

  [[nodiscard]] std::size_t column_width(std::size_t column) const {
    std::size_t widest = 0;
    for (const auto& cells : lines_) widest = std::max(widest, width_of(cells[column]));
    return widest;
  }

  std::string group_;
  rows rows_;
  std::string reference_;
  std::vector<std::vector<std::string>> lines_;  ///< of cells; the first are the headings
};

[[nodiscard]] inline std::string limit_text(const bar& b) {
  return (b.side == bar::limit::at_most ? "at most " : "at least ") + digits(b.value);
}

enum class unmeasured { shown, hidden };

/// The bars, and how they came out.
inline void print_bars(std::ostream& out, const rows& all, unmeasured those) {
  out << "bars\n";
  for (const auto& b : bars) {
    const auto j = judge(b, all);
    if (!j && those == unmeasured::hidden) continue;
    out << padded(verdict(j), 12) << b.group;
    if (!b.size.empty()) out << ", " << b.size;
    out << ": " << b.contender;
    if (j) out << " " << digits(j->measured);
    if (!b.reference.empty()) out << " × " << (j ? j->reference : std::string(b.reference));
    out << ", " << limit_text(b) << '\n';
  }
}

}  // namespace bench
