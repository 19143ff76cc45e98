#pragma once

#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>

#include <unistd.h>

#include <parley/message.hpp>
#include <parley/printable.hpp>

#include "chat/screen/view.hpp"

namespace chat {

/// What a terminal is asked to do.
struct terminal_style {
  bool escapes = false;  ///< it knows the sequences that nearly all terminals know
  bool color = false;

  /// `when` is auto, always or never. NO_COLOR (no-color.org) asks for none where it is not empty.
  [[nodiscard]] static terminal_style wanted(std::string_view when) {
    const auto variable = [](const char* name) {
      const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
      return std::string_view(value == nullptr ? "" : value);
    };
    const auto term = variable("TERM");
    terminal_style s;
    s.escapes = !term.empty() && term != "dumb";
    s.color = when == "always" || (when == "auto" && s.escapes && variable("NO_COLOR").empty());
    return s;
  }
};

/// A conversation on a terminal: each message on a line of its own, with time and sender.
///
/// What the user has half typed stands in the terminal's line editor, which shows it again at its
/// reprint key; here it is only cleared away, so that it never mixes with what the peer says.
/// Everything that comes from the peer is made printable.
class screen final : public view {
 public:
  screen(std::string program, output& out, output& err, terminal_style style)
      : view(std::move(program), out, err, true), style_(style) {}

  std::string_view show(const parley::message& m, const person& from,
                        std::string& scratch) override {
    if (is_rename(m)) return {};
    scratch = fresh_line();
    append(scratch, dim, time_of_day());
    const bool action = m.tag == action_tag;
    append(scratch, bold, (action ? "* " : "") + from.who());
    scratch += action ? " " : ": ";
    parley::printable_to(scratch, m.body, parley::newlines::continued);
    return scratch += '\n';
  }

  void connecting(const address& to) override {
    note("connecting to " + parley::printable(to_string(to)));
  }
  void connected(const person& p) override {
    note("connected to " + p.introduction() + "; /help lists the commands, Ctrl-D ends");
  }
  void renamed(const person& p, std::string_view name) override {
    note(p.who() + " is now called " + parley::printable(name));
  }
  void statistics(const parley::stats& s) override { note(statistics_text(s)); }
  void leaving() override { note("saying goodbye; Ctrl-C ends at once"); }
  void over(const person& p, const outcome& o) override {
    if (o.lost || o.undelivered != 0) return view::over(p, o);
    note("the conversation with " + p.who_and_where() + " has ended");
  }
  void error(std::string_view what, std::uint64_t) override {
    std::string text = fresh_line();
    append(text, red, program() + ": " + std::string(what));
    put(err(), text += '\n');
  }
  void note(std::string_view what) override {
    std::string text = fresh_line();
    append(text, dim, "-- " + std::string(what));
    put(err(), text += '\n');
  }
  void clear() override {
    if (style_.escapes) put(err(), "\x1b[H\x1b[2J");
  }

 protected:
  void notice(const std::string& text) override { note(text); }

 private:
  static constexpr std::string_view bold = "\x1b[1m", dim = "\x1b[2m", red = "\x1b[31m";

  [[nodiscard]] std::string fresh_line() const { return style_.escapes ? "\r\x1b[K" : ""; }

  void append(std::string& to, std::string_view color, std::string_view text) const {
    if (style_.color) to += color;
    to += text;
    if (style_.color) to += "\x1b[0m";
  }

  [[nodiscard]] static std::string time_of_day() {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    char text[sizeof "hh:mm "];
    return {text, std::strftime(text, sizeof text, "%H:%M ", &local)};
  }

  terminal_style style_;
};

}  // namespace chat
