#pragma once

#include <fstream>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

#include "report.hpp"

namespace bench {

/// Rows that something else has measured, as `json_report` writes its own. Throws where the file
/// cannot be read, or holds anything else.
[[nodiscard]] inline rows read_rows(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  try {
    rows all;
    for (const auto& o : nlohmann::json::parse(file))
      all.push_back({o.at("group"), o.at("size"), o.at("contender"), o.at("unit"), o.at("rounds")});
    return all;
  } catch (const nlohmann::json::exception& e) {
    throw std::runtime_error(path + " holds no rows: " + e.what());
  }
}

}  // namespace bench
