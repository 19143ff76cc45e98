#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/error.hpp>
#include <parley/message.hpp>
#include <parley/options.hpp>
#include <parley/protocols.hpp>

#include "chat/conversation/talk.hpp"
#include "chat/conversation/typist.hpp"
#include "chat/program/outcome.hpp"
#include "chat/program/settings.hpp"
#include "chat/screen/console.hpp"
#include "chat/screen/view.hpp"

namespace chat {

/// One conversation, from the greeting to its outcome.
///
///   stdin ──▶ talk ──▶ peer      report: what was delivered
///   stdout ◀─ listen ◀─ peer     watch: the end · keep_time: how long a goodbye may take
///
/// Five coroutines that share one peer and end together: whoever sees the end of its own part tells
/// the others through the peer, which then ends, and that ends all. Used on one thread.
///
///   conversation talk(std::move(peer), here, settings, afterwards::exits);
///   co_return (co_await talk.run()).status();
template <typename Peer>
class conversation {
 public:
  conversation(Peer peer, console& here, const settings& s, afterwards then)
      : peer_(std::move(peer)),
        here_(here),
        settings_(s),
        then_(then),
        them_{std::string(peer_.name()), peer_.address(), peer_.identity()},
        typist_(peer_, here, s.name),
        alarm_(peer_.get_executor(), clock::time_point::max()) {}
  conversation(const conversation&) = delete;
  conversation& operator=(const conversation&) = delete;
  ~conversation() { here_.leaving.whenever(nullptr); }

  /// Completes when the conversation is over and everything that came has been shown. Once.
  asio::awaitable<outcome> run() {
    using namespace asio::experimental::awaitable_operators;
    show().connected(them_);
    peer_.ping();  // so that there is a round trip to tell of, however short the conversation is
    here_.in.resume();
    here_.leaving.whenever(
        [this] {
          show().leaving();
          leave();
        },
        [this] { peer_.abort(); });
    co_await (talk() && listen() && report() && watch() && keep_time());
    const outcome o = co_await account();
    show().statistics(peer_.statistics());
    show().over(them_, o);
    co_return o;
  }

 private:
  using clock = std::chrono::steady_clock;
  static constexpr bool framed = std::same_as<typename Peer::protocol_type, parley::session>;

  // --- the five coroutines ---------------------------------------------------------------------

  /// Sends what stands in the input. A line stays there until it is queued: if the conversation
  /// ends before, the next one begins with it.
  asio::awaitable<void> talk() {
    // Not `while (co_await …)`: GCC 12 miscompiles a bare co_await as a condition.
    for (bool more = co_await here_.in.ready(); more; more = co_await here_.in.ready()) {
      if (here_.is_terminal())
        co_await obey(here_.in.front().text);
      else
        co_await pass_on(here_.in.front());
      // What a person says is for whoever was there; what a pipe holds is for whoever comes.
      if (!unsaid_ || here_.is_terminal()) here_.in.pop();
      if (unsaid_) co_return part_done();
      if (!here_.in.at_hand()) peer_.flush();  // now, not when others have had their turn
    }
    if (!here_.in.at_end()) co_return part_done();
    if (here_.in.error()) show().error("cannot read stdin: " + reason_text(here_.in.error()));
    if (here_.is_terminal()) {  // Ctrl-D
      here_.leaving.ask();
    } else {
      peer_.finish();
      co_await everything_delivered();
      if (const auto patience = settings_.linger()) end_within(*patience);
    }
    part_done();
  }

  /// Shows what arrives. To come back for the next message is to acknowledge the last, so each is
  /// written first.
  asio::awaitable<void> listen() {
    std::error_code ec;
    std::string scratch;
    while (!gave_up_) {
      const auto message = co_await peer_.receive(ec);
      if (!message) break;
      const bool written = co_await here_.out.write(show().show(*message, them_, scratch));
      if (!written) break;
      tell_delivered();
      if (is_rename(*message)) rename(message->body);
    }
    if (output_broken()) co_await stop_without_output();
    heard_all_ = !ec && !gave_up_ && !here_.out.error();
    if (heard_all_ && here_.is_terminal()) answer_goodbye();
    part_done();
  }

  /// Tells what was delivered, as often as stdout takes it.
  asio::awaitable<void> report() {
    using namespace asio::experimental::awaitable_operators;
    while (!peer_.ended()) {
      co_await peer_.delivered_beyond(told_);
      if (here_.out.held() != 0) co_await (here_.out.drained() || over());
      tell_delivered();
      if (output_broken()) leave();
    }
    part_done();
  }

  asio::awaitable<void> over() {
    return peer_.delivered_beyond(std::numeric_limits<std::uint64_t>::max());
  }

  /// Tells everybody else when it is over.
  asio::awaitable<void> watch() {
    co_await over();
    here_.in.interrupt();
    part_done();
  }

  /// Ends the conversation at once when the time for ending it well is up.
  asio::awaitable<void> keep_time() {
    std::error_code moved;  // or fired: the clock says which
    while (parts_ != 0) {
      co_await alarm_.async_wait(asio::redirect_error(asio::use_awaitable, moved));
      if (parts_ == 0 || clock::now() < alarm_.expiry()) continue;
      alarm_.expires_at(clock::time_point::max());
      gave_up_ = true;
      // If it is stdout that is stuck, its time is up too, unless more conversations will need it.
      const bool last = then_ == afterwards::exits || here_.leaving.asked();
      if (last && here_.out.held() != 0) here_.out.abandon();
      peer_.abort();
    }
  }

  /// One of the others is done.
  void part_done() {
    if (--parts_ == 0) alarm_.cancel();
  }

  /// Unless stdout still has to take what came before: where much arrives, it is told in between.
  void tell_delivered() {
    const auto known = peer_.delivered_count();
    if (known == told_ || (here_.out.held() != 0 && !peer_.ended())) return;
    show().delivered(told_ = known, peer_.statistics().unacknowledged);
  }

  // --- saying ----------------------------------------------------------------------------------

  /// A line of a pipe is a message as it is.
  asio::awaitable<void> pass_on(input::line line) {
    std::error_code ec = line.too_long ? parley::errc::message_too_large : std::error_code{};
    if (!ec) ec = co_await say(line.text, 0);
    if (!ec || unsaid_) co_return;
    show().error(reason_text(ec), line.number);
    ++unsendable_;
  }

  /// A line that a person typed. What was wrong with it is told at once, and does not count.
  asio::awaitable<void> obey(std::string_view line) {
    const saying s = co_await typist_.obey(line, them_);
    if (s.text.empty()) co_return;
    peer_.hurry();  // who has something to say wants the connection back now
    if (const auto ec = co_await say(s.text, s.tag))
      show().error("that was not sent: " + reason_text(ec));
    else
      typist_.said(s.text);
  }

  /// Completes when `text` is queued, or cannot be.
  asio::awaitable<std::error_code> say(std::string_view text, parley::tag_type tag) {
    std::error_code ec;
    co_await peer_.send(text, tag, ec);
    unsaid_ = ec && (peer_.ended() || ec == parley::errc::closed);
    co_return ec;
  }

  // --- the end ---------------------------------------------------------------------------------

  /// Says goodbye now, whatever there may be left to read.
  void leave() {
    here_.in.interrupt();
    peer_.finish();
    end_within(parley::options().goodbye_timeout);
  }

  /// A program may still have a lot to say to one who says no more. A person is left alone with it
  /// only where the other never said anything, as `parley-server </dev/null >log` does.
  void answer_goodbye() {
    if (framed && peer_.statistics().messages_received == 0)
      show().note(them_.who() + " only listens; Ctrl-D says goodbye");
    else
      leave();
  }

  void end_within(std::chrono::milliseconds patience) {
    alarm_.expires_at(std::min(alarm_.expiry(), clock::now() + patience));
  }

  /// After `finish`. The goodbye has a number too, and where it is acknowledged all is; of plain
  /// lines only the lines are known to be on their way.
  asio::awaitable<void> everything_delivered() {
    auto last = peer_.statistics().messages_sent;
    if (!framed && last-- == 0) co_return;
    parley::receipt goodbye;
    goodbye.sequence = last;
    co_await peer_.delivered(goodbye);
  }

  [[nodiscard]] bool output_broken() const {
    return here_.out.error() && here_.out.error() != std::errc::operation_canceled;
  }

  /// What arrives can be shown no more. What was said still goes out; then the link is cut, for a
  /// regular `close` would release, and so acknowledge, the message that could not be written.
  asio::awaitable<void> stop_without_output() {
    show().error("cannot write to stdout: " + reason_text(here_.out.error()) +
                 "; the conversation ends here");
    leave();
    co_await everything_delivered();
    peer_.abort();
  }

  void rename(std::string_view name) {
    show().renamed(them_, name);
    them_.name = name;
  }

  /// What became of everything that was to be said.
  asio::awaitable<outcome> account() {
    const auto s = peer_.statistics();
    outcome o;
    o.lost = peer_.reason() == parley::errc::aborted ? std::error_code{} : peer_.reason();
    o.undelivered = s.unacknowledged + unsendable_;
    o.unsent = s.unsent + unsendable_;
    o.broken_streams = output_broken() || here_.in.error();
    if (!here_.is_terminal() && then_ == afterwards::exits) {
      auto left = here_.in.ahead();
      const bool only_lost = o.lost && !here_.leaving.asked();
      if (only_lost) left = co_await here_.in.drain(std::chrono::seconds(1));
      o.undelivered += left.lines;
      o.unsent += left.lines;
      o.at_least = only_lost && !left.all;
    }
    // Who has said goodbye may hang up on us, if we had nothing left to say.
    if (heard_all_ && o.undelivered == 0 && !is_about_who(o.lost)) o.lost.clear();
    co_return o;
  }

  [[nodiscard]] view& show() noexcept { return here_.show(); }

  Peer peer_;
  console& here_;
  const settings& settings_;
  afterwards then_;
  person them_;
  typist<Peer> typist_;
  asio::steady_timer alarm_;
  int parts_ = 4;                 ///< of the coroutines but the clock: not done yet
  std::uint64_t told_ = 0;        ///< so many were told to be delivered
  std::uint64_t unsendable_ = 0;  ///< input lines that can never be sent
  bool unsaid_ = false;           ///< the line in hand was not queued: the conversation is over
  bool heard_all_ = false;        ///< up to the peer's goodbye
  bool gave_up_ = false;          ///< the time for a good end was up
};

}  // namespace chat
