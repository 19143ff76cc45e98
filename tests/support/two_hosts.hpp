#pragma once

#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "support/process.hpp"

namespace parley::test {

/// Two hosts on one machine, a network namespace each, with a switch between them from which a
/// cable can be pulled: neither host sees that its link is down, packets just do not arrive.
///
///   left ── veth ──┤ switch ├── veth ── right
///   10.77.0.1                        10.77.0.2
///
/// Needs root and iproute2; `possible()` says whether it works here.
class two_hosts {
 public:
  static constexpr std::string_view left_address = "10.77.0.1", right_address = "10.77.0.2";

  [[nodiscard]] static bool possible() {
    if (::geteuid() != 0) return false;
    try {
      const two_hosts probe;
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  }

  two_hosts() {
    try {
      for (const auto& n : {left_, right_, switch_}) run({"ip", "netns", "add", n});
      run(in(switch_, {"ip", "link", "add", "middle", "type", "bridge"}));
      run(in(switch_, {"ip", "link", "set", "middle", "up"}));
      connect(left_, "to_left", left_address);
      connect(right_, "to_right", right_address);
    } catch (...) {
      remove();
      throw;
    }
  }
  two_hosts(const two_hosts&) = delete;
  two_hosts& operator=(const two_hosts&) = delete;
  ~two_hosts() { remove(); }

  /// The command, run on that host.
  [[nodiscard]] std::vector<std::string> on_left(const std::vector<std::string>& command) const {
    return in(left_, command);
  }
  [[nodiscard]] std::vector<std::string> on_right(const std::vector<std::string>& command) const {
    return in(right_, command);
  }

  void pull() const { run(in(switch_, {"ip", "link", "set", "to_right", "nomaster"})); }
  void plug() const { run(in(switch_, {"ip", "link", "set", "to_right", "master", "middle"})); }

  /// Both directions carry that much and no more, in megabits a second.
  void limit(int megabits) const {
    for (const auto* n : {&left_, &right_})
      run(in(*n, {"tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate",
                  std::to_string(megabits) + "mbit", "burst", "128k", "latency", "50ms"}));
  }

 private:
  static std::vector<std::string> in(const std::string& host, std::vector<std::string> command) {
    const std::vector<std::string> enter{"ip", "netns", "exec", host};
    command.insert(command.begin(), enter.begin(), enter.end());
    return command;
  }

  static void run(const std::vector<std::string>& command) {
    process p(command);
    p.close_input();
    if (const int status = p.finish(); status != 0)
      throw std::runtime_error(command.back() + ": " + p.errors());
  }

  void connect(const std::string& host, const std::string& port, std::string_view address) const {
    run({"ip", "link", "add", "eth0", "netns", host, "type", "veth", "peer", "name", port, "netns",
         switch_});
    run(in(switch_, {"ip", "link", "set", port, "master", "middle", "up"}));
    run(in(host, {"ip", "address", "add", std::string(address) + "/24", "dev", "eth0"}));
    run(in(host, {"ip", "link", "set", "eth0", "up"}));
    run(in(host, {"ip", "link", "set", "lo", "up"}));
  }

  void remove() const {
    for (const auto& n : {left_, right_, switch_}) {
      try {
        run({"ip", "netns", "delete", n});
      } catch (const std::runtime_error&) {
        continue;  // it was never made
      }
    }
  }

  std::string id_ = "parley-" + std::to_string(::getpid());
  std::string left_ = id_ + "-left", right_ = id_ + "-right", switch_ = id_ + "-switch";
};

}  // namespace parley::test
