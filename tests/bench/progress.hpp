#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <string>

namespace bench {

/// Tells on standard error what is being measured and how far that is. A terminal shows one line,
/// which is written over; a file gets a line for each part.
class progress {
 public:
  explicit progress(std::size_t parts) noexcept : parts_(parts) {}
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  ~progress() {
    if (terminal_) show("");
  }

  void begin(const std::string& part) {
    part_ = "[" + std::to_string(++begun_) + "/" + std::to_string(parts_) + "] " + part;
    show(part_ + (terminal_ ? "" : "\n"));
  }

  void step(const std::string& detail) {
    if (terminal_) show(part_ + ": " + detail);
  }

 private:
  void show(const std::string& text) const {
    std::fputs(((terminal_ ? "\r\x1b[K" : "") + text).c_str(), stderr);
    std::fflush(stderr);
  }

  std::size_t parts_;
  std::size_t begun_ = 0;
  std::string part_;
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
};

}  // namespace bench
