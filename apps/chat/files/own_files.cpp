#include "chat/files/own_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/printable.hpp>

#include "chat/program/outcome.hpp"

namespace chat::own_files {

namespace {

[[noreturn]] void fail(const std::string& what, const std::string& path, int error) {
  throw file_error("cannot " + what + " " + parley::printable(path) + ": " +
                   std::generic_category().message(error));
}

/// A descriptor that closes itself.
class handle {
 public:
  explicit handle(int fd) noexcept : fd_(fd) {}
  handle(const handle&) = delete;
  handle& operator=(const handle&) = delete;
  ~handle() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_;
};

/// Writes all, and sees to it that it outlives a crash of the machine.
void write_through(const handle& file, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(file.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", path, errno);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(file.get()) != 0) fail("write", path, errno);
}

}  // namespace

std::string folder() {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
    return std::string(value == nullptr || *value != '/' ? "" : value);
  };
  std::string base = variable("XDG_CONFIG_HOME");
  if (base.empty() && !variable("HOME").empty()) base = variable("HOME") + "/.config";
  if (base.empty())
    throw file_error(
        "there is no place for an identity: set HOME or XDG_CONFIG_HOME, or use "
        "--plain");
  std::error_code ec;
  std::filesystem::create_directories(base, ec);
  if (ec) fail("make", base, ec.value());
  const std::string path = base + "/parley";
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) fail("make", path, errno);
  return path;
}

std::optional<std::string> read(const std::string& path, readers who) {
  constexpr std::size_t most = std::size_t{1} << 20U;  // these are small files
  const handle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file && errno == ENOENT) return std::nullopt;
  struct stat about{};
  if (!file || ::fstat(file.get(), &about) != 0) fail("read", path, errno);
  if (who == readers::owner_alone) {
    if (!S_ISREG(about.st_mode)) throw file_error(parley::printable(path) + " is no file");
    if (about.st_uid != ::geteuid())
      throw file_error("cannot use " + parley::printable(path) + ": it belongs to somebody else");
    if ((about.st_mode & 077U) != 0)
      throw file_error("cannot use " + parley::printable(path) +
                       ": others can read it; if nobody has, chmod 600 makes it private, else "
                       "remove it for a new one");
  }
  std::string all;
  std::array<char, 4096> piece;
  for (ssize_t n = 0; (n = ::read(file.get(), piece.data(), piece.size())) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path, errno);
    all.append(piece.data(), static_cast<std::size_t>(n));
    if (all.size() > most) throw file_error(parley::printable(path) + " is over 1 MiB");
  }
  return all;
}

bool create(const std::string& path, std::string_view text) {
  std::string aside = path + ".XXXXXX";
  const handle file(::mkostemp(aside.data(), O_CLOEXEC));  // 0600, and nobody else's
  if (!file) fail("make", path, errno);
  try {
    write_through(file, text, path);
    int error = ::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0
                    ? 0
                    : errno;
    if (error == EINVAL || error == ENOSYS)  // this file system cannot see to it
      error = ::rename(aside.c_str(), path.c_str()) == 0 ? 0 : errno;
    if (error == EEXIST) {
      ::unlink(aside.c_str());
      return false;
    }
    if (error != 0) fail("make", path, error);
  } catch (...) {
    ::unlink(aside.c_str());
    throw;
  }
  const handle in(::open(std::filesystem::path(path).parent_path().c_str(),
                         O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (in) ::fsync(in.get());  // that it is there; where this cannot be, it mostly outlives a crash
  return true;
}

void append(const std::string& path, std::string line) {
  const handle file(::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  if (!file) fail("write", path, errno);
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  char last = '\n';
  if (size > 0 && ::pread(file.get(), &last, 1, size - 1) != 1) fail("read", path, errno);
  if (last != '\n') line.insert(line.begin(), '\n');  // an editor may have left it so
  try {
    write_through(file, line, path);
  } catch (const file_error&) {
    if (::ftruncate(file.get(), size) != 0) throw;  // half a line is told where it is read
    throw;
  }
}

}  // namespace chat::own_files
