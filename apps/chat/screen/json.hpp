#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <parley/message.hpp>
#include <parley/stats.hpp>
#include <parley/utf8.hpp>

#include "chat/screen/view.hpp"

namespace chat {

/// A conversation for programs: one JSON object a line on stdout; docs/json.md is the schema.
///
/// All of it is ASCII, the rest is escaped, so that it is valid UTF-8 whatever the peer sent, and
/// safe on a terminal. Errors stand on stderr too, for people.
class json_view final : public view {
 public:
  json_view(std::string program, output& out, output& err)
      : view(std::move(program), out, err, true) {}

  std::string_view show(const parley::message& m, const person& from,
                        std::string& scratch) override {
    auto j = event("message");
    j["sequence"] = m.sequence;
    j["tag"] = m.tag;
    j["from"] = from.name;
    if (parley::is_utf8(m.body))
      j["text"] = m.body;
    else
      j["hex"] = hex(m.body);
    return scratch = text(j);
  }

  void listening(const std::vector<address>& reach, std::string_view flags) override {
    view::listening(reach, flags);
    auto j = event("listening");
    j["port"] = reach.front().port;
    j["addresses"] = object::array();
    for (const auto& a : reach) j["addresses"].push_back(to_string(a));
    emit(j);
  }
  void introduce(const parley::identity& me, std::string_view made) override {
    view::introduce(me, made);
    auto j = event("identity");
    j["identity"] = to_string(me);
    emit(j);
  }
  void invitation(const std::string& what, std::chrono::system_clock::time_point until) override {
    view::invitation(what, until);
    auto j = event("invitation");
    j["invitation"] = what;
    j["until"] = timestamp(until);
    emit(j);
  }
  void connecting(const address& to) override {
    auto j = event("connecting");
    j["address"] = to_string(to);
    emit(j);
  }
  void away(std::error_code reason, std::chrono::milliseconds delay, bool dials,
            bool again) override {
    if (!again) view::away(reason, delay, dials, again);
    auto j = event(again ? "failed" : "lost");
    j["reason"] = reason_text(reason);
    j[dials ? "retry_ms" : "wait_ms"] = delay.count();
    emit(j);
  }
  void resumed(std::chrono::nanoseconds after, std::uint64_t again) override {
    view::resumed(after, again);
    auto j = event("resumed");
    j["away_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(after).count();
    j["again"] = again;
    emit(j);
  }
  void connected(const person& p) override { emit(with(event("connected"), p)); }
  void renamed(const person&, std::string_view) override {}  // the message itself says it
  void delivered(std::uint64_t upto, std::uint64_t pending) override {
    auto j = event("delivered");
    j["upto"] = upto;
    j["pending"] = pending;
    emit(j);
  }
  void statistics(const parley::stats& s) override {
    const auto ms = [](std::chrono::nanoseconds t) {
      return std::chrono::duration<double, std::milli>(t).count();
    };
    auto j = event("stats");
    j["messages_sent"] = s.messages_sent;
    j["messages_received"] = s.messages_received;
    j["bytes_sent"] = s.bytes_sent;
    j["bytes_received"] = s.bytes_received;
    j["unacknowledged"] = s.unacknowledged;
    j["round_trip_ms"] = ms(s.round_trip_smoothed);
    j["round_trip_min_ms"] = ms(s.round_trip_min);
    emit(j);
  }
  void over(const person& p, const outcome& o) override {
    auto j = with(event("ended"), p);
    if (o.lost) j["reason"] = explain_loss(o.lost);
    j["undelivered"] = o.undelivered;
    j["unsent"] = o.unsent;
    j["at_least"] = o.at_least;
    emit(j);
    if (o.lost || o.undelivered != 0) view::over(p, o);
  }
  void error(std::string_view what, std::uint64_t input_line) override {
    view::error(what, input_line);
    auto j = event("error");
    j["text"] = what;
    if (input_line != 0) j["line"] = input_line;
    emit(j);
  }

 private:
  [[nodiscard]] bool tells_everything() const noexcept override { return true; }

  using object = nlohmann::ordered_json;

  [[nodiscard]] static object event(const char* name) {
    object j;
    j["event"] = name;
    j["time"] = timestamp(std::chrono::system_clock::now());
    return j;
  }

  [[nodiscard]] static object with(object j, const person& p) {
    j["name"] = p.name;
    j["address"] = p.where;
    if (p.id) j["identity"] = to_string(*p.id);
    return j;
  }

  /// RFC 3339, UTC, to the millisecond.
  [[nodiscard]] static std::string timestamp(std::chrono::system_clock::time_point t) {
    using namespace std::chrono;
    const auto now = floor<milliseconds>(t);
    const std::time_t whole = system_clock::to_time_t(floor<seconds>(now));
    std::tm utc{};
    ::gmtime_r(&whole, &utc);
    char date[sizeof "yyyy-mm-ddThh:mm:ss."];
    std::string s(date, std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S.", &utc));
    const std::string ms = std::to_string(now.time_since_epoch().count() % 1000);
    return s.append(3 - ms.size(), '0').append(ms).append("Z");
  }

  [[nodiscard]] static std::string hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string s;
    s.reserve(2 * bytes.size());
    for (const char c : bytes) {
      const auto byte = static_cast<unsigned char>(c);
      s += digits[byte >> 4U];
      s += digits[byte & 0x0fU];
    }
    return s;
  }

  /// One line. What claims to be text but is not, such as a path, shows replacement characters.
  [[nodiscard]] static std::string text(const object& j) {
    return j.dump(-1, ' ', true, object::error_handler_t::replace) + "\n";
  }

  void emit(const object& j) { put(out(), text(j)); }
};

}  // namespace chat
