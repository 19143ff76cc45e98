#pragma once

#include <cstddef>

#include "progress.hpp"
#include "report.hpp"
#include "settings.hpp"

namespace bench {

/// What many conversations of one process cost: the rows of
///
///   "idle conversation"                          KiB of memory each, of "10,000" at once
///   "busy conversations, worst p99 ÷ median"     of "1,000" at once
///   "set-up rate"                                conversations begun in a second, against the
///                                                contender "bare accept"
///
/// The names are those of bars.hpp. Only what `settings::wants` is measured.
[[nodiscard]] rows measure_crowds(const settings& s, progress& p);

/// How many parts of a `progress` that takes.
[[nodiscard]] std::size_t crowds_parts(const settings& s);

}  // namespace bench
