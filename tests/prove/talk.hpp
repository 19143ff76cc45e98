#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "support/process.hpp"

namespace parley::test {

/// A parley-talker (talker.cpp), and what it tells, line by line.
///
///   talk server({PARLEY_TALKER_PATH, "serve", "0"});
///   const auto port = server.next("listening").substr(10);
class talk {
 public:
  explicit talk(const std::vector<std::string>& command) : process_(command) {}

  /// The next line that begins with `start`, which is waited for; lines before it are skipped.
  std::string next(std::string_view start) {
    for (;;) {
      for (auto end = said().find('\n', at_); end != said().npos; end = said().find('\n', at_)) {
        const std::string line = said().substr(at_, end - at_);
        at_ = end + 1;
        if (line.starts_with(start)) return line;
      }
      read_some(start);
    }
  }

  /// The moment of the next event of that name, in microseconds.
  std::int64_t moment_of(std::string_view event) {
    for (;;) {
      const auto line = next("event ");
      if (line.find(" " + std::string(event) + " ", 6) != line.npos) return number(line, "event ");
    }
  }

  /// The number behind `key` in a line that it told.
  [[nodiscard]] static std::int64_t number(std::string_view line, std::string_view key) {
    const auto at = line.find(key);
    if (at == line.npos)
      throw std::runtime_error("no " + std::string(key) + " in " + std::string(line));
    std::int64_t value = -1;
    std::from_chars(line.data() + at + key.size(), line.data() + line.size(), value);
    return value;
  }

  /// How often a word stands in all that it has told and that was read.
  [[nodiscard]] std::size_t count(std::string_view word) const {
    std::size_t n = 0;
    for (auto at = said().find(word); at != said().npos; at = said().find(word, at + 1)) ++n;
    return n;
  }

  /// Asks for its memory and what it has said and heard.
  std::string ask() {
    process_.write("memory\n");
    return next("memory");
  }

  void tell(const std::string& command) { process_.write(command + "\n"); }
  void signal(int number) const { process_.signal(number); }
  [[nodiscard]] pid_t pid() const noexcept { return process_.pid(); }

 private:
  [[nodiscard]] const std::string& said() const noexcept { return process_.output(); }

  void read_some(std::string_view start) {
    const auto before = said().size();
    process_.read_some();
    if (said().size() == before && process_.output_ended())
      throw std::runtime_error("it ended without \"" + std::string(start) + "\": " + said() +
                               process_.errors());
  }

  process process_;
  std::size_t at_ = 0;  ///< of what it has said: read up to here
};

}  // namespace parley::test
