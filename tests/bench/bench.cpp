// parley-bench: parley beside bare sockets and other libraries, in one run.

#include <cstdio>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "all_contenders.hpp"
#include "crowds.hpp"
#include "heat.hpp"
#include "placement.hpp"
#include "progress.hpp"
#include "read_rows.hpp"
#include "reference.hpp"
#include "report_json.hpp"
#include "report_text.hpp"
#include "run_heat.hpp"
#include "settings.hpp"

namespace {

using bench::heat;
using bench::rows;
using bench::settings;

/// A heat and who takes part in it.
struct planned {
  heat what;
  std::vector<bench::contender*> who;
};

/// Those that the command line asks for, and the bare sockets that they are compared with; none
/// where it does not ask for this heat.
std::vector<bench::contender*> wanted(const heat& h, const bench::contenders& all,
                                      const settings& s) {
  bool whole = false;
  for (const auto& group : groups_of(h)) whole = whole || s.wants(group);
  std::vector<bench::contender*> who;
  bool any = whole;
  for (const auto& c : all) {
    if (!c->takes(h.what) || c->encrypts() != h.encrypted) continue;
    const bool asked = s.wants(c->name());
    any = any || asked;
    if (whole || asked || bench::is_bare(c->name())) who.push_back(c.get());
  }
  if (!any) who.clear();
  return who;
}

std::vector<planned> plan(const bench::contenders& all, const settings& s,
                          std::vector<std::string>& left_out) {
  const bool several_cores = bench::usable_cores().size() > 1;
  std::vector<planned> heats;
  for (const auto& h : bench::all_heats()) {
    auto who = wanted(h, all, s);
    if (who.empty()) continue;
    const std::string no_room = kind_of(h) + ": there is one core only";
    if (several_cores || h.where == bench::placement::one_core)
      heats.push_back({h, std::move(who)});
    else if (left_out.empty() || left_out.back() != no_room)
      left_out.push_back(no_room);
  }
  return heats;
}

/// What the file brings of that which the command line asks for.
rows measured_before(const settings& s) {
  if (s.with.empty()) return {};
  rows found = bench::read_rows(s.with);
  std::erase_if(found,
                [&](const bench::row& r) { return !s.wants(r.group) && !s.wants(r.contender); });
  return found;
}

rows measure(const std::vector<planned>& heats, const settings& s) {
  const rows before = measured_before(s);  // first: it may be no such file
  bench::progress show(heats.size() + bench::crowds_parts(s));
  rows all;
  for (const auto& p : heats) {
    const rows found = bench::heat_runner(p.what, s, show).run(p.who);
    all.insert(all.end(), found.begin(), found.end());
  }
  const rows crowds = bench::measure_crowds(s, show);
  all.insert(all.end(), crowds.begin(), crowds.end());
  all.insert(all.end(), before.begin(), before.end());
  return all;
}

void report(const rows& all, const std::vector<std::string>& left_out, const settings& s) {
  for (const auto& group : bench::distinct(all, &bench::row::group))
    bench::table(group, all).print(std::cout);
  for (const auto& what : left_out) std::cout << "left out: " << what << '\n';
  if (!left_out.empty()) std::cout << '\n';
  bench::print_bars(std::cout, all,
                    s.only.empty() ? bench::unmeasured::shown : bench::unmeasured::hidden);
}

int run(int argc, char** argv) {
  settings s;
  CLI::App app("Measures parley beside bare sockets and other libraries.", "parley-bench");
  auto* const rounds = app.add_option("--rounds", s.rounds, "how often each is measured")
                           ->check(CLI::Range(1, 1000))
                           ->capture_default_str();
  app.add_option("--only", s.only, "groups or contenders whose names contain TEXT")
      ->type_name("TEXT");
  app.add_option("--with", s.with, "also report the rows in FILE, as compile_cost writes them")
      ->type_name("FILE");
  app.add_option("--json", s.json, "also write the report to FILE")->type_name("FILE")->take_last();
  app.add_flag("--quick", s.quick, "3 rounds of short trials: shows that it works, not how well");
  CLI11_PARSE(app, argc, argv);
  if (s.quick && rounds->count() == 0) s.rounds = 3;

  auto left_out = bench::absent_contenders();
  const auto contenders = bench::all_contenders();
  const rows all = measure(plan(contenders, s, left_out), s);
  if (all.empty())
    throw std::runtime_error("nothing to measure: no group or contender is named so");
  report(all, left_out, s);
  if (!s.json.empty()) bench::json_report(all, left_out).write(s.json);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "parley-bench: %s\n", e.what());
    return 1;
  }
}
