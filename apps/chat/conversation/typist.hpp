#pragma once

#include <chrono>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/identity.hpp>
#include <parley/message.hpp>
#include <parley/options.hpp>
#include <parley/peer.hpp>
#include <parley/printable.hpp>
#include <parley/protocols.hpp>
#include <parley/stats.hpp>
#include <parley/utf8.hpp>

#include "chat/screen/commands.hpp"
#include "chat/screen/console.hpp"
#include "chat/screen/pending.hpp"
#include "chat/screen/view.hpp"
#include "chat/streams/departure.hpp"

namespace chat {

/// What a line that was typed says to the peer.
struct saying {
  std::string text;  ///< empty: nothing
  parley::tag_type tag = 0;
};

/// Obeys a person who types: answers the commands, and gives back what is to be said.
///
///   typist hand(peer, here, name);
///   const saying s = co_await hand.obey(line, them);
///
/// Used on one thread; all that it was given must outlive it.
template <typename Peer>
class typist {
 public:
  typist(Peer& peer, console& here, std::string name)
      : peer_(peer),
        view_(here.show()),
        leaving_(here.leaving),
        me_(here.me),
        name_(std::move(name)) {}

  /// Completes when all but the saying is done. `them` is who is at the other end.
  asio::awaitable<saying> obey(std::string_view line, person them) {
    saying nothing;
    if (!parley::is_utf8(line)) {
      view_.error("what was typed is not valid UTF-8, so it was not sent");
      co_return nothing;
    }
    const typed t = understand(line);
    if (t.what == command::ping) co_await ping();
    if (t.what == command::say) co_return text(t.rest);
    if (t.what == command::me) co_return action(t.rest);
    if (t.what == command::name) co_return rename(t.rest);
    answer(t, them);
    co_return nothing;
  }

  /// That was queued just now: keeps it in mind for `/pending`, and marks it if nobody is there.
  void said(std::string_view text) {
    pending_.add(peer_.last_receipt().sequence, text, peer_.delivered_count());
    if (peer_.state() == parley::state::away)
      view_.note("queued until the peer is back: " + messages(peer_.statistics().unacknowledged));
  }

 private:
  static constexpr bool framed = std::same_as<typename Peer::protocol_type, parley::session>;

  [[nodiscard]] static saying text(std::string_view what) { return {std::string(what), 0}; }

  [[nodiscard]] saying action(std::string_view what) const {
    if (what.empty()) return {};
    if (framed) return {std::string(what), action_tag};
    return {"* " + name_ + (name_.empty() ? "" : " ") + std::string(what),
            0};  // lines have no tags
  }

  [[nodiscard]] saying rename(std::string_view name) {
    if (name.size() > parley::max_name) {
      view_.error("a name has at most 64 bytes, so yours was not changed");
      return {};
    }
    if (!name.empty()) name_ = name;
    view_.note(name_.empty() ? "you have no name; /name NAME gives you one"
                             : "you are " + parley::printable(name_));
    if (framed) return {std::string(name), rename_tag};
    if (!name.empty()) view_.note("plain lines carry no name: only /me will say it");
    return {};
  }

  asio::awaitable<void> ping() {
    if (!framed) co_return view_.note("plain lines have no ping");
    const auto before = peer_.statistics().round_trip_last;
    peer_.ping();
    asio::steady_timer timer(peer_.get_executor());
    constexpr auto step = std::chrono::milliseconds(1);
    constexpr auto patience = std::chrono::seconds(2);
    for (auto waited = 0 * step; waited < patience && !peer_.ended(); waited += step) {
      const auto now = peer_.statistics().round_trip_last;
      if (now != before) co_return view_.note("round trip " + milliseconds_text(now));
      timer.expires_after(step);
      co_await timer.async_wait(asio::use_awaitable);
    }
    view_.note("no answer yet");
  }

  /// Commands that have nothing to say to the peer.
  void answer(const typed& t, const person& them) {
    if (answer_alone(t, view_)) return;
    const auto s = peer_.statistics();
    if (t.what == command::quit) leaving_.ask();
    if (t.what == command::stats) view_.note(statistics_text(s));
    if (t.what == command::pending)
      for (const auto& line : pending_.lines(s)) view_.note(line);
    if (t.what == command::peer) tell_of(them);
  }

  void tell_of(const person& them) {
    const auto cipher = peer_.cipher();
    view_.note(them.introduction());
    view_.note((cipher.empty() ? "plain lines, not encrypted" : "TLS 1.3, " + std::string(cipher)) +
               ", for " + duration_text(clock::now() - since_));
    if (me_) view_.note("you are " + to_string(*me_));
  }

  using clock = std::chrono::steady_clock;

  Peer& peer_;
  view& view_;
  departure& leaving_;
  std::optional<parley::identity> me_;
  std::string name_;
  pending pending_;
  clock::time_point since_ = clock::now();
};

}  // namespace chat
