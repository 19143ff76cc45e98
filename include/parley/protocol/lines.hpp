#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/error.hpp>
#include <parley/message.hpp>
#include <parley/options.hpp>
#include <parley/protocol/chunks.hpp>
#include <parley/protocol/inbox.hpp>
#include <parley/protocol/outbox.hpp>
#include <parley/stats.hpp>
#include <parley/utf8.hpp>

namespace parley::protocol {

/// The plain protocol: one line of UTF-8 is one message, for peers such as `nc` and `telnet`.
///
/// No greeting, no acknowledgement, no heartbeat: a line counts as delivered once the stream has
/// taken it, and the end of the stream is the goodbye. A line ends with LF or CR LF. A line that is
/// not UTF-8 is refused and reported, and the conversation goes on; one over `max_message` ends it.
///
///   lines peer(options);
///   peer.push("hello", 0);               // now "hello\n" is to be written
///
/// Has the members of `session`, with the same meaning. Not safe for sharing between threads.
class lines {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  static constexpr bool reading_can_stop = true;
  static constexpr bool resumable = false;

  /// `spare`, if any, must outlive it.
  explicit lines(const options& o, spares* spare = nullptr) noexcept
      : max_message_(o.max_message),
        window_(o.window),
        outbox_limit_(o.outbox),
        log_(spare),
        inbox_(spare) {}

  void dial(time_point) noexcept {
    dials_ = true;
    ++stats_.connections;
  }
  void answer(time_point) noexcept { ++stats_.connections; }
  void detach() noexcept {}
  [[nodiscard]] static bool abandon() noexcept { return false; }

  // --- what the program does -------------------------------------------------------------------

  /// A CR at the end of `body` is taken for part of the line's end by the peer.
  [[nodiscard]] send_result push(std::string_view body, tag_type tag) {
    if (said_goodbye_) return send_result::closed;
    if (body.size() > max_message_) return send_result::too_large;
    if (tag != 0 || body.find('\n') != body.npos || !is_utf8(body)) return send_result::unfit;
    if (held_ + body.size() + 1 > outbox_limit_) return send_result::full;
    if (log_.empty() || log_.back().room() < body.size() + 1) log_.push(body.size() + 1);
    chunk& c = log_.back();
    char* const end = std::copy(body.begin(), body.end(), c.data.get() + c.end);
    *end = '\n';
    c.end += body.size() + 1;
    held_ += body.size() + 1;
    ++stats_.messages_sent;
    stats_.bytes_sent += body.size();
    return send_result::queued;
  }

  [[nodiscard]] static errc unfit(std::string_view body) noexcept {
    if (body.find('\n') != body.npos) return errc::embedded_newline;
    return is_utf8(body) ? errc::bad_tag : errc::not_utf8;
  }

  [[nodiscard]] std::optional<message> take(time_point) {
    unreleased_ -= std::exchange(held_size_, 0);
    const auto whole = inbox_.next();
    if (whole.empty()) return std::nullopt;
    const std::size_t end = whole.find('\n');
    inbox_.take(end + 1);
    held_size_ = end + 1;
    const auto body = without_cr(whole.substr(0, end));
    stats_.bytes_received += body.size();
    return message{body, 0, stats_.messages_received++};
  }

  /// There is no shorter way for a line: it is looked at byte by byte.
  [[nodiscard]] static bool push_behind(std::string_view, tag_type) noexcept { return false; }
  [[nodiscard]] static bool has_next() noexcept { return false; }
  [[nodiscard]] std::optional<message> take_next() { return take({}); }

  [[nodiscard]] bool readable() const noexcept { return !inbox_.whole().empty(); }
  [[nodiscard]] bool at_end() const noexcept { return ended_ && !readable(); }
  void finish() noexcept { said_goodbye_ = true; }
  void ping() noexcept {}
  [[nodiscard]] std::uint64_t acknowledged() const noexcept { return written_; }

  [[nodiscard]] std::uint64_t next_sequence() const noexcept { return stats_.messages_sent; }

  [[nodiscard]] stats statistics() const noexcept {
    stats s = stats_;
    s.unacknowledged = s.unsent = s.messages_sent - written_;
    s.memory = log_.allocated() + inbox_.allocated();
    return s;
  }

  [[nodiscard]] std::string_view peer_name() const noexcept { return {}; }
  [[nodiscard]] std::string_view refusal() const noexcept { return {}; }
  [[nodiscard]] static std::uint64_t again() noexcept { return 0; }

  // --- what the receive loop does --------------------------------------------------------------

  [[nodiscard]] bool connected() const noexcept { return true; }
  [[nodiscard]] bool idle() const noexcept { return inbox_.idle(); }

  /// Whether the program leaves a whole window unreleased: then TCP holds the peer back.
  [[nodiscard]] bool full() const noexcept { return unreleased_ >= window_; }

  [[nodiscard]] std::span<char> prepare_read() { return inbox_.prepare(); }

  [[nodiscard]] std::error_code commit_read(std::size_t n, time_point) {
    std::size_t scanned = inbox_.begun().size();
    inbox_.commit(n);
    if (first_ && inbox_.begun().size() >= 10) {
      first_ = false;
      const auto start = inbox_.begun();
      // RFC 8446, 5.1: a handshake, in a record of any version of TLS.
      if (start.substr(3, 7) == "\x01parley" || start.starts_with("\x16\x03"))
        return errc::framed_peer;
    }
    for (;;) {
      const auto begun = inbox_.begun();
      const auto end = begun.find('\n', scanned);
      if (without_cr(begun.substr(0, end)).size() > max_message_) return errc::line_too_long;
      if (end == begun.npos) return {};
      settle(begun.substr(0, end));
      scanned = 0;
    }
  }

  void rest() noexcept { inbox_.rest(); }

  /// The stream has ended: what has begun is the last line, and that was the goodbye. Errors:
  /// `turned_away`, where a listener had nothing to say but a notice of parley's own.
  [[nodiscard]] std::error_code commit_end() {
    ended_ = true;
    std::error_code bad;
    if (!inbox_.begun().empty()) {
      inbox_.prepare(inbox_.begun().size() + 1).front() = '\n';
      bad = commit_read(1, {});
    }
    return bad || !turned_away_ ? bad : make_error_code(errc::turned_away);
  }

  /// Why the last line was refused that has not been asked about; none if there is none.
  [[nodiscard]] std::optional<errc> rejection() noexcept {
    if (rejected_ == 0) return std::nullopt;
    --rejected_;
    return errc::not_utf8;
  }

  // --- what the send loop does -----------------------------------------------------------------

  [[nodiscard]] bool wants_write() const noexcept { return held_ != 0; }
  [[nodiscard]] static bool urgent() noexcept { return false; }
  [[nodiscard]] static bool owes_ack() noexcept { return false; }
  [[nodiscard]] bool batch_is_full() const noexcept { return held_ >= chunk_size; }

  void prepare_write(gather& out, time_point) noexcept {
    std::size_t from = cursor_;
    const chunk* c = log_.empty() ? nullptr : &log_.front();
    for (std::size_t n = 0; c && n < outbox::most_chunks; ++n, c = c->next.get(), from = 0)
      out.add(c->view(from, c->end));
  }

  void commit_write(std::size_t n, time_point) noexcept {
    held_ -= n;
    while (n != 0) {
      const std::size_t step = std::min(n, log_.front().end - cursor_);
      const auto part = log_.front().view(cursor_, cursor_ + step);
      written_ += static_cast<std::uint64_t>(std::count(part.begin(), part.end(), '\n'));
      cursor_ += step;
      n -= step;
      if (cursor_ == log_.front().end) {
        log_.pop();
        cursor_ = 0;
      }
    }
  }

  [[nodiscard]] bool output_done() const noexcept { return said_goodbye_ && held_ == 0; }
  [[nodiscard]] bool complete() const noexcept { return output_done() && at_end(); }
  [[nodiscard]] bool agreed() const noexcept { return complete(); }
  [[nodiscard]] bool settled() const noexcept { return complete() && !turned_away_; }

  // --- what the watchdog does: nothing, a plain line has no answer -----------------------------

  [[nodiscard]] static time_point due() noexcept { return time_point::max(); }
  [[nodiscard]] static std::error_code tick(time_point) noexcept { return {}; }

 private:
  [[nodiscard]] static std::string_view without_cr(std::string_view line) noexcept {
    return line.substr(0, line.size() - (line.ends_with('\r') ? 1 : 0));
  }

  /// A whole line, without its LF, stands at the front of what has begun.
  void settle(std::string_view line) {
    const std::size_t size = line.size() + 1;
    turned_away_ = dials_ && !std::exchange(any_, true) && line.starts_with("parley: ");
    first_ = false;
    if (is_utf8(line)) {
      unreleased_ += size;
      inbox_.mark_whole(size);
    } else {
      ++rejected_;
      inbox_.drop(size);
    }
  }

  std::size_t max_message_;
  std::size_t window_;
  std::size_t outbox_limit_;

  chunks log_;                 ///< lines queued, each with its LF
  std::size_t cursor_ = 0;     ///< written, of the front chunk
  std::size_t held_ = 0;       ///< bytes queued
  std::uint64_t written_ = 0;  ///< whole lines that the stream has taken
  bool said_goodbye_ = false;

  inbox inbox_;
  std::size_t unreleased_ = 0;  ///< bytes of lines accepted and not released
  std::size_t held_size_ = 0;   ///< of the line that the program looks at
  std::size_t rejected_ = 0;
  bool first_ = true;
  bool dials_ = false;
  bool any_ = false;          ///< line has come
  bool turned_away_ = false;  ///< unless more comes
  bool ended_ = false;
  stats stats_;
};

}  // namespace parley::protocol
