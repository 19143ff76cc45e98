#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <parley/identity.hpp>
#include <parley/message.hpp>
#include <parley/options.hpp>
#include <parley/printable.hpp>
#include <parley/stats.hpp>
#include <parley/utf8.hpp>

#include "chat/program/address.hpp"
#include "chat/program/outcome.hpp"
#include "chat/screen/explain.hpp"
#include "chat/streams/output.hpp"

namespace chat {

/// What a message of the chat is, besides text: the tags that both programs agree on.
inline constexpr parley::tag_type action_tag = 1;  ///< `/me`: what the sender does
inline constexpr parley::tag_type rename_tag = 2;  ///< `/name`: the body is the sender's new name

/// Whether it is a new name. What only claims to be one is shown like any text.
[[nodiscard]] inline bool is_rename(const parley::message& m) noexcept {
  return m.tag == rename_tag && m.body.size() <= parley::max_name && parley::is_utf8(m.body);
}

/// Who is at the other end, as far as it is known. Bytes from outside: show them `printable`.
struct person {
  std::string name;
  std::string where;
  std::optional<parley::identity> id{};  ///< proved; none on plain lines

  /// Safe to show. Anybody may give himself any name, so what nobody else can show stands behind.
  [[nodiscard]] std::string who() const {
    if (name.empty()) return "peer";
    return parley::printable(name) + (id ? "~" + short_form(*id) : "");
  }
  [[nodiscard]] std::string who_and_where() const {
    if (where.empty()) return who();
    const std::string safe = parley::printable(where);
    return name.empty() ? safe : who() + " at " + safe;
  }
  /// All of it, once in a conversation.
  [[nodiscard]] std::string introduction() const {
    return who_and_where() + (id ? ", identity " + to_string(*id) : "");
  }
};

[[nodiscard]] inline std::string messages(std::uint64_t n) {
  return std::to_string(n) + (n == 1 ? " message" : " messages");
}

/// How many messages did not get through: "at least 3 messages not delivered (1 never sent)".
[[nodiscard]] inline std::string undelivered_text(const outcome& o) {
  return (o.at_least && o.undelivered != 0 ? "at least " : "") + messages(o.undelivered) +
         " not delivered (" + std::to_string(o.unsent) + " never sent)";
}

[[nodiscard]] inline std::string milliseconds_text(std::chrono::nanoseconds t) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(t).count();
  const std::string fraction = std::to_string(us % 1000);
  return std::to_string(us / 1000) + "." + std::string(3 - fraction.size(), '0') + fraction + " ms";
}

/// "0.4 s", "12 s", "10 min": as exact as anybody needs.
[[nodiscard]] inline std::string duration_text(std::chrono::nanoseconds t) {
  using namespace std::chrono_literals;
  const auto ms = std::chrono::round<std::chrono::milliseconds>(t);
  if (ms < 10s) return std::to_string(ms / 1s) + "." + std::to_string(ms % 1s / 100ms) + " s";
  return ms < 2min ? std::to_string(ms / 1s) + " s" : std::to_string(ms / 1min) + " min";
}

/// "2026-11-23 21:40", local time.
[[nodiscard]] inline std::string date_and_time(std::chrono::system_clock::time_point t) {
  const std::time_t when = std::chrono::system_clock::to_time_t(t);
  std::tm local{};
  ::localtime_r(&when, &local);
  char text[sizeof "yyyyyy-mm-dd hh:mm"];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &local)};
}

[[nodiscard]] inline std::string statistics_text(const parley::stats& s) {
  std::string text = "sent " + messages(s.messages_sent) + " (" + std::to_string(s.bytes_sent) +
                     " bytes), received " + messages(s.messages_received) + " (" +
                     std::to_string(s.bytes_received) + " bytes)";
  if (s.round_trip_last.count() != 0)
    text += ", round trip " + milliseconds_text(s.round_trip_smoothed) + ", at best " +
            milliseconds_text(s.round_trip_min);
  return text;
}

/// How messages and events are shown; in this form for pipes: a message is a line of stdout, and
/// everything else is a line of stderr that begins with the program's name. Screen and JSON derive
/// from it. What has no room because nobody reads it is left out and counted, but never a message.
///
///   co_await out.write(view.show(message, from, scratch));
///   view.over(person, outcome);
///
/// Used on one thread.
class view {
 public:
  /// `safe`: stdout is a terminal, so what the peer sends must not drive it.
  view(std::string program, output& out, output& err, bool safe)
      : program_(std::move(program)), out_(out), err_(err), safe_(safe) {}
  view(const view&) = delete;
  view& operator=(const view&) = delete;
  virtual ~view() = default;

  /// The bytes that show a message on stdout, to be written before it is released; they lie in
  /// `scratch`. One message is one line here: a line feed in its body is shown as `\x0a`. None if
  /// it is not to be shown: a new name is `renamed`'s affair.
  virtual std::string_view show(const parley::message& m, const person&, std::string& scratch) {
    scratch.clear();
    if (is_rename(m)) return {};
    std::string_view rest = m.body;
    if (safe_) {
      parley::printable_to(scratch, rest);
    } else {
      for (auto lf = rest.find('\n'); lf != rest.npos; lf = rest.find('\n')) {
        scratch.append(rest.substr(0, lf)).append("\\x0a");
        rest.remove_prefix(lf + 1);
      }
      scratch += rest;
    }
    return scratch += '\n';
  }

  /// `reach` has at least one: all ways to get here, on one port. `flags` stand before each.
  virtual void listening(const std::vector<address>& reach, std::string_view flags) {
    const address& first = reach.front();
    line("listening on " + (first.is_unix() ? parley::printable(to_string(first))
                                            : "port " + std::to_string(first.port)));
    for (const auto& a : reach)
      line("others join with: parley-client " + std::string(flags) +
           parley::printable(to_string(a, default_port)));
  }
  virtual void connecting(const address&) {}
  /// Who this side is; `made` is the path of its key if that is new.
  virtual void introduce(const parley::identity& me, std::string_view made) {
    notice("this side's identity is " + to_string(me) +
           (made.empty() ? "" : ", made just now: " + parley::printable(made)));
  }
  /// An invitation was made, that is good until then.
  virtual void invitation(const std::string& text, std::chrono::system_clock::time_point until) {
    line("one can join, until " + date_and_time(until) + ", with: parley-client --invite " +
         parley::printable(text));
  }
  /// Something that the user should know, and a program need not.
  void tell(const std::string& what) { notice(what); }

  /// What the library tells.
  void happened(const parley::event& e) {
    using kind = parley::event::kind;
    switch (e.what) {
      case kind::turned_away: turned_away(e); break;
      case kind::rejected:
        error("a line from the peer was left out: " + reason_text(e.reason));
        break;
      case kind::connecting: dials_ = true; break;
      case kind::connected: begun_ = true; break;
      case kind::lost:
        lost_at_ = clock::now();
        tell_absence(e, true);
        break;
      case kind::failed: tell_absence(e, false); break;
      case kind::resumed: resumed(clock::now() - lost_at_, e.again); break;
      default: break;
    }
  }
  /// The connection is gone and the conversation waits; or, `again`, one more attempt has failed.
  /// `dials`: this side makes the next one, after `delay`; otherwise it waits as long as that.
  virtual void away(std::error_code reason, std::chrono::milliseconds delay, bool dials,
                    bool again) {
    notice(away_text(reason, delay, dials, again));
  }
  /// `again` messages are sent again, for the peer has not had them.
  virtual void resumed(std::chrono::nanoseconds after, std::uint64_t again) {
    using tenths = std::chrono::duration<std::int64_t, std::deci>;  // "0.0 s" says nothing
    notice("back after " + duration_text(std::chrono::ceil<tenths>(after)) +
           (again == 0 ? "" : ", " + messages(again) + " sent again"));
  }
  virtual void connected(const person& p) { line("connected to " + p.introduction()); }
  virtual void renamed(const person& p, std::string_view name) {
    line(p.who() + " is now called " + parley::printable(name));
  }
  /// The peer's programs are done with so many messages, from the first on; `pending` are left.
  virtual void delivered(std::uint64_t, std::uint64_t) {}
  virtual void leaving() { line("saying goodbye; Ctrl-C ends at once"); }
  virtual void statistics(const parley::stats& s) { line(statistics_text(s)); }
  virtual void over(const person& p, const outcome& o) {
    if (o.lost)
      error((is_about_who(o.lost) ? "the conversation with " + p.who_and_where() + " has ended: "
                                  : "the connection to " + p.who_and_where() + " was lost: ") +
            explain_loss(o.lost) + "; " + undelivered_text(o));
    else if (o.undelivered != 0)
      error("the conversation with " + p.who_and_where() + " has ended; " + undelivered_text(o));
    else
      line("the conversation with " + p.who_and_where() + " has ended");
  }
  /// Something went wrong; `input_line` says where, if it is about a line of the input.
  virtual void error(std::string_view what, std::uint64_t input_line = 0) {
    line(input_line == 0
             ? std::string(what)
             : "line " + std::to_string(input_line) + " was not sent: " + std::string(what));
  }
  /// An answer to the user of a terminal; nobody else asks.
  virtual void note(std::string_view) {}
  virtual void clear() {}

 protected:
  /// Tells something that is neither an answer nor an error.
  virtual void notice(const std::string& text) { line(text); }

  /// Puts a line on stderr.
  void line(std::string_view text) { put(err_, program_ + ": " + std::string(text) + "\n"); }

  /// Puts whole lines on `to`, unless far too much waits there for a reader.
  void put(output& to, std::string_view lines) {
    constexpr std::size_t most_held = std::size_t{256} << 10U;
    if (to.held() > most_held) {
      ++left_out_;
      return;
    }
    if (left_out_ != 0) {
      const auto n = std::exchange(left_out_, 0);
      error(std::to_string(n) + " notices were left out, nobody read them in time");
    }
    to.put(lines);
  }

  [[nodiscard]] const std::string& program() const noexcept { return program_; }
  [[nodiscard]] output& out() noexcept { return out_; }
  [[nodiscard]] output& err() noexcept { return err_; }

 private:
  using clock = std::chrono::steady_clock;

  /// What happens again and again: a person is told when it is another thing, and now and then.
  struct topic {
    std::error_code why;
    std::optional<parley::identity> who;
    clock::time_point told_at;

    /// Whether to tell of it, which counts as done; `anyway`: it is, whatever was told before.
    [[nodiscard]] bool is_news(std::error_code reason, const std::optional<parley::identity>& by,
                               bool anyway) {
      const auto now = clock::now();
      const bool same = reason == why && by == who;
      if (!anyway && same && now - told_at < std::chrono::seconds(30)) return false;
      *this = {reason, by, now};
      return true;
    }
  };

  [[nodiscard]] std::string away_text(std::error_code reason, std::chrono::milliseconds delay,
                                      bool dials, bool again) const {
    constexpr std::chrono::milliseconds least{100};  // below, "0.0 s" says nothing
    const std::string why = " (" + reason_text(reason) + "), ";
    if (!dials)
      return "lost" + why + "waiting " + duration_text(delay) + " for the peer to come back";
    const char* const still = begun_ ? "still away" : "no answer yet";
    return (again ? still : "lost") + why +
           (delay < least ? "trying again" : "trying again in " + duration_text(delay));
  }

  void turned_away(const parley::event& e) {
    if (caller_.is_news(e.reason, e.who, !e.who) || tells_everything())
      error("turned away " + parley::printable(e.detail) + ": " + explain_turning_away(e));
  }

  void tell_absence(const parley::event& e, bool first) {
    const bool back_already = e.reason == parley::errc::superseded;
    const bool news = !back_already && absence_.is_news(e.reason, {}, first);
    if (news || tells_everything()) away(e.reason, e.delay, dials_, !first);
  }

  [[nodiscard]] virtual bool tells_everything() const noexcept { return false; }

  std::string program_;
  output& out_;
  output& err_;
  bool safe_;
  std::uint64_t left_out_ = 0;
  bool dials_ = false;  ///< this side makes the connections
  bool begun_ = false;  ///< there was one
  clock::time_point lost_at_{};
  topic absence_{};  ///< failed attempts
  topic caller_{};   ///< those turned away
};

}  // namespace chat
