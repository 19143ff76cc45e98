#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace bench {

/// The value that this share of all values does not exceed, between two neighbours in proportion.
/// There must be one.
[[nodiscard]] inline double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(at));
  const auto above = static_cast<std::size_t>(std::ceil(at));
  return values[below] + (at - std::floor(at)) * (values[above] - values[below]);
}

[[nodiscard]] inline double median(const std::vector<double>& values) {
  return quantile(values, 0.5);
}

/// Ratios of values of the same round. What slows a round down slows all of its contenders, so
/// these vary less than the values do.
[[nodiscard]] inline std::vector<double> ratios(const std::vector<double>& values,
                                                const std::vector<double>& references) {
  std::vector<double> found;
  for (std::size_t i = 0; i < std::min(values.size(), references.size()); ++i)
    found.push_back(values[i] / references[i]);
  return found;
}

}  // namespace bench
