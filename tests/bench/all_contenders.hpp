#pragma once

#include <string>
#include <vector>

#include "contender.hpp"

namespace bench {

/// Everything that is measured, in the order of the tables.
[[nodiscard]] contenders all_contenders();

/// What would be measured if it were installed.
[[nodiscard]] std::vector<std::string> absent_contenders();

}  // namespace bench
