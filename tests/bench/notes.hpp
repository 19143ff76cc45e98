#pragma once

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace bench {

/// What a process tells the one that started it.
struct note {
  enum class kind : std::uint8_t {
    address,  ///< where it listens
    figures,  ///< what it measured, see `encode`
    failure,  ///< why it gave up
  };
  kind what;
  std::string text;
};

/// Writes a note to a pipe; throws where nobody reads any more.
inline void write_note(int pipe, note::kind what, std::string_view text) {
  const std::uint64_t size = text.size();
  std::string bytes(1 + sizeof size, static_cast<char>(what));
  std::memcpy(bytes.data() + 1, &size, sizeof size);
  bytes += text;
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::write(pipe, bytes.data() + done, bytes.size() - done);
    if (n < 0) throw std::system_error(errno, std::generic_category(), "cannot report");
    done += static_cast<std::size_t>(n);
  }
}

/// For `poll`; not less than 0, which would be without end.
[[nodiscard]] inline int milliseconds_until(std::chrono::steady_clock::time_point deadline) {
  const auto left = deadline - std::chrono::steady_clock::now();
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::max<std::int64_t>(ms, 0));
}

/// The end of a pipe where notes come out, the bytes of which arrive in any portions.
class note_reader {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  enum class outcome { note, end, late };

  /// Waits for a note, for the pipe's end, or until `deadline`.
  outcome next(int pipe, time_point deadline, note& into) {
    for (;;) {
      if (take(into)) return outcome::note;
      if (!readable(pipe, deadline)) return outcome::late;
      std::array<char, 65536> buffer;
      const ssize_t n = ::read(pipe, buffer.data(), buffer.size());
      if (n <= 0) return outcome::end;
      bytes_.append(buffer.data(), static_cast<std::size_t>(n));
    }
  }

 private:
  static bool readable(int pipe, time_point deadline) {
    pollfd wanted{pipe, POLLIN, 0};
    return ::poll(&wanted, 1, milliseconds_until(deadline)) > 0;
  }

  bool take(note& into) {
    std::uint64_t size = 0;
    if (bytes_.size() < 1 + sizeof size) return false;
    std::memcpy(&size, bytes_.data() + 1, sizeof size);
    if (bytes_.size() - 1 - sizeof size < size) return false;
    into = {static_cast<note::kind>(bytes_[0]), bytes_.substr(1 + sizeof size, size)};
    bytes_.erase(0, 1 + sizeof size + size);
    return true;
  }

  std::string bytes_;
};

}  // namespace bench
