#pragma once

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "support/patience.hpp"

namespace parley::test {

/// A file descriptor that closes itself.
class descriptor {
 public:
  descriptor() = default;
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~descriptor() { close(); }

  void close() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// A folder that is removed with all that is in it.
class scratch {
 public:
  scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "parley-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category());
    path_ = name;
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() {
    std::error_code ignored;  // a left-over folder fails no test
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string operator/(std::string_view name) const {
    return (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

inline void write_file(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

[[nodiscard]] inline std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(text).str();
}

/// A program under test, with pipes (or one terminal) to its standard streams. Killed with the
/// object if it still runs.
class process {
 public:
  enum class streams { pipes, terminal };

  /// What the standard streams are: "" is a pipe, anything else a file (input read, output made).
  struct redirect {
    std::string input;
    std::string output;
  };

  explicit process(const std::vector<std::string>& command, redirect to = {},
                   streams kind = streams::pipes) {
    ::signal(SIGPIPE, SIG_IGN);  // a program that has gone is an error of `write`, not our end
    if (kind == streams::terminal) {
      start_on_terminal(command);
      return;
    }
    std::array<descriptor, 2> in = input_for(to.input);
    std::array<descriptor, 2> out = output_for(to.output);
    std::array<descriptor, 2> err = pipe();
    pid_ = ::fork();
    if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid_ == 0) {
      ::dup2(in[0].get(), STDIN_FILENO);
      ::dup2(out[1].get(), STDOUT_FILENO);
      ::dup2(err[1].get(), STDERR_FILENO);
      execute(command);
    }
    in_ = std::move(in[1]);
    out_ = std::move(out[0]);
    err_ = std::move(err[0]);
  }
  process(const process&) = delete;
  process& operator=(const process&) = delete;
  ~process() {
    if (pid_ <= 0 || reaped_) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  // --- input -----------------------------------------------------------------------------------

  void write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::write(in_.get(), text.data(), text.size());
      if (n < 0) throw std::system_error(errno, std::generic_category(), "write to the program");
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void close_input() noexcept { in_.close(); }
  void close_output() noexcept { out_.close(); }
  void signal(int number) const { ::kill(pid_, number); }

  // --- output ----------------------------------------------------------------------------------

  /// Reads standard output (the terminal, if there is one) until `text` has appeared in it; returns
  /// all read so far. Throws if it does not appear.
  const std::string& read_until(std::string_view text) { return until(out_, seen_out_, text); }
  /// The same for standard error.
  const std::string& read_errors_until(std::string_view text) {
    return until(err_, seen_err_, text);
  }

  /// Waits until it says something more on either stream, and reads that.
  void read_some() {
    wait_readable(out_.get(), err_.get());
    take(out_, seen_out_);
    take(err_, seen_err_);
  }

  /// Reads both to their ends, waits for the program; its exit status, or 128 + the signal.
  int finish() {
    while (out_ || err_) read_some();
    int status = 0;
    const auto deadline = std::chrono::steady_clock::now() + patience;
    pid_t done = 0;
    while ((done = ::waitpid(pid_, &status, WNOHANG)) == 0) {
      if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("it does not end");
      ::poll(nullptr, 0, 1);
    }
    if (done < 0) throw std::system_error(errno, std::generic_category(), "waitpid");
    reaped_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  /// Reads at most `most` bytes of standard output, waiting for the first; "" at its end.
  std::string read_output(std::size_t most) {
    if (!out_) return {};
    wait_readable(out_.get(), -1);
    std::string got(most, '\0');
    const ssize_t n = ::read(out_.get(), got.data(), got.size());
    got.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    if (got.empty()) out_.close();
    seen_out_ += got;
    return got;
  }

  [[nodiscard]] const std::string& output() const noexcept { return seen_out_; }
  [[nodiscard]] const std::string& errors() const noexcept { return seen_err_; }
  [[nodiscard]] bool output_ended() const noexcept { return !out_; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  static std::array<descriptor, 2> pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
      throw std::system_error(errno, std::generic_category(), "pipe");
    return {descriptor(ends[0]), descriptor(ends[1])};
  }
  static descriptor open(const std::string& path, int flags) {
    descriptor fd(::open(path.c_str(), flags | O_CLOEXEC, 0600));
    if (!fd) throw std::system_error(errno, std::generic_category(), path);
    return fd;
  }
  static std::array<descriptor, 2> input_for(const std::string& path) {
    if (path.empty()) return pipe();
    return {open(path, O_RDONLY), descriptor()};
  }
  static std::array<descriptor, 2> output_for(const std::string& path) {
    if (path.empty()) return pipe();
    return {descriptor(), open(path, O_WRONLY | O_CREAT | O_TRUNC)};
  }

  [[noreturn]] static void execute(const std::vector<std::string>& command) {
    std::vector<char*> arguments;
    for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }

  void start_on_terminal(const std::vector<std::string>& command) {
    int controller = -1;
    pid_ = ::forkpty(&controller, nullptr, nullptr, nullptr);
    if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "forkpty");
    if (pid_ == 0) execute(command);
    in_ = descriptor(::fcntl(controller, F_DUPFD_CLOEXEC, 0));
    out_ = descriptor(controller);
    ::fcntl(controller, F_SETFD, FD_CLOEXEC);
  }

  static bool wait_readable(int a, int b) {
    std::array<pollfd, 2> wanted{pollfd{a, POLLIN, 0}, pollfd{b, POLLIN, 0}};
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
    const int ready = ::poll(wanted.data(), wanted.size(), static_cast<int>(ms));
    if (ready == 0) throw std::runtime_error("the program says nothing more");
    return true;
  }

  static void take(descriptor& from, std::string& into) {
    std::array<pollfd, 1> ready{pollfd{from.get(), POLLIN, 0}};
    if (!from || ::poll(ready.data(), 1, 0) == 0) return;
    std::array<char, 65536> buffer;
    const ssize_t n = ::read(from.get(), buffer.data(), buffer.size());
    if (n > 0)
      into.append(buffer.data(), static_cast<std::size_t>(n));
    else
      from.close();  // its end; a terminal says EIO
  }

  const std::string& until(descriptor& from, std::string& seen, std::string_view text) {
    while (seen.find(text) == seen.npos) {
      if (!from)
        throw std::runtime_error("it ended without saying \"" + std::string(text) +
                                 "\"; it said:\n" + seen_out_ + "\n--\n" + seen_err_);
      try {
        read_some();
      } catch (const std::runtime_error& e) {
        throw std::runtime_error(std::string(e.what()) + ", not \"" + std::string(text) +
                                 "\"; it said:\n" + seen_out_ + "\n--\n" + seen_err_);
      }
    }
    return seen;
  }

  pid_t pid_ = -1;
  bool reaped_ = false;
  descriptor in_;
  descriptor out_;
  descriptor err_;
  std::string seen_out_;
  std::string seen_err_;
};

}  // namespace parley::test
