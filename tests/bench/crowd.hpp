#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "settings.hpp"

namespace bench {

/// One value of one round; the rest says where it belongs, see `row`.
struct reading {
  std::string group;
  std::string size;
  std::string contender;
  std::string unit;
  double value = 0;
};

using readings = std::vector<reading>;

/// Something that takes many conversations at once to show, and who is compared in it: in every
/// round each contender is measured once, in a pair of processes of its own.
struct crowd {
  std::string title;
  std::vector<std::string> groups;  ///< all that its readings can have
  std::vector<std::function<readings()>> contenders;
};

[[nodiscard]] crowd idle_crowd(const settings& s);
[[nodiscard]] crowd busy_crowd(const settings& s);
[[nodiscard]] crowd set_up_crowd(const settings& s);
[[nodiscard]] crowd mixed_crowd(const settings& s);

/// The idle ones over TLS; needs OpenSSL.
[[nodiscard]] crowd idle_tls_crowd(const settings& s);

// What others take for an idle conversation; each needs its library.
[[nodiscard]] readings measure_idle_zeromq(std::size_t size);
[[nodiscard]] readings measure_idle_nng(std::size_t size);

}  // namespace bench
