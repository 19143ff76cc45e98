#pragma once

#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "bars.hpp"
#include "machine.hpp"
#include "reference.hpp"
#include "report.hpp"

namespace bench {

/// What `tests/bench/plot` reads: every row with all its rounds, and what is needed to judge them.
class json_report {
  using object = nlohmann::ordered_json;

 public:
  json_report(const rows& all, const std::vector<std::string>& left_out) {
    report_["date"] = date_now();
    report_["machine"] = to_object(this_machine());
    report_["left_out"] = left_out;
    report_["groups"] = object::array();
    for (const auto& group : distinct(all, &row::group))
      report_["groups"].push_back({{"name", group}, {"reference", reference_of(group, all)}});
    report_["rows"] = object::array();
    for (const auto& r : all) report_["rows"].push_back(to_object(r));
    report_["bars"] = object::array();
    for (const auto& b : bars) report_["bars"].push_back(to_object(b, judge(b, all)));
  }

  /// Throws where the file cannot be written.
  void write(const std::string& path) const {
    std::ofstream file(path);
    file << report_.dump(1) << '\n';
    file.close();
    if (!file) throw std::runtime_error("cannot write " + path);
  }

 private:
  static object to_object(const machine& m) {
    return {{"processor", m.processor}, {"cores", m.cores}, {"kernel", m.kernel},
            {"compiler", m.compiler},   {"build", m.build}, {"asio", m.asio}};
  }
  static object to_object(const row& r) {
    return {{"group", r.group},
            {"size", r.size},
            {"contender", r.contender},
            {"unit", r.unit},
            {"rounds", r.rounds}};
  }
  static object to_object(const bar& b, const std::optional<judgement>& j) {
    object o{{"group", b.group},
             {"size", b.size},
             {"contender", b.contender},
             {"reference", j ? j->reference : std::string(b.reference)},
             {"limit", b.side == bar::limit::at_most ? "at most" : "at least"},
             {"value", b.value}};
    if (j) o["measured"] = j->measured;
    o["verdict"] = verdict(j);
    return o;
  }

  object report_;
};

}  // namespace bench
