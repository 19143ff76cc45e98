#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include <parley/error.hpp>
#include <parley/protocol/greeting.hpp>

namespace parley::detail {

namespace frame = protocol::frame;

/// The conversations of a listener by the id that their dialers chose, and for a time those that
/// are over: who asks late is told so, and how far it had come.
///
/// Not safe for sharing between threads.
template <typename Conversation>
class session_table {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  /// `keep` is how long an ended one is remembered.
  explicit session_table(std::chrono::milliseconds keep) noexcept : keep_(keep) {}

  /// None: there is no such conversation, or it is over.
  [[nodiscard]] std::shared_ptr<Conversation> find(const frame::session_id& id) const {
    const auto found = alive_.find(id);
    return found == alive_.end() ? nullptr : found->second;
  }

  void add(std::shared_ptr<Conversation> c) {
    const auto id = c->protocol().id();
    alive_.emplace(id, std::move(c));
  }

  /// The conversation is over. It is kept in mind for a time, unless there are too many of them.
  void bury(const Conversation& c, time_point now) {
    const auto& p = c.protocol();
    alive_.erase(p.id());
    const auto reason =
        c.reason() == errc::not_back ? refuse_reason::expired : refuse_reason::ended;
    tombs_.insert_or_assign(p.id(), frame::refusal{reason, p.released(), {}});
    by_age_.emplace_back(now + keep_, p.id());
    while (tombs_.size() > most_tombs) forget_oldest();
  }

  /// What to tell who asks for one that is over; none: nothing is known of it.
  [[nodiscard]] std::optional<frame::refusal> over(const frame::session_id& id, time_point now) {
    while (!by_age_.empty() && by_age_.front().first <= now) forget_oldest();
    const auto found = tombs_.find(id);
    return found == tombs_.end() ? std::nullopt : std::optional(found->second);
  }

  /// Calls `f` for each that lives; `f` may end them.
  template <typename F>
  void each(F f) {
    const auto all = alive_;
    for (const auto& [id, c] : all) f(*c);
  }

 private:
  static constexpr std::size_t most_tombs = 4096;  // 100 bytes each, whatever callers do

  void forget_oldest() {
    tombs_.erase(by_age_.front().second);
    by_age_.pop_front();
  }

  std::chrono::milliseconds keep_;
  std::map<frame::session_id, std::shared_ptr<Conversation>> alive_;
  std::map<frame::session_id, frame::refusal> tombs_;
  std::deque<std::pair<time_point, frame::session_id>> by_age_;
};

}  // namespace parley::detail
