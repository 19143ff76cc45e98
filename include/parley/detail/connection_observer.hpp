#pragma once

#include <memory>
#include <system_error>

namespace parley::detail {

/// What is told that a conversation's connection has ended, and goes on with the conversation: a
/// listener's session registry.
template <typename Conversation>
class connection_observer {
 public:
  connection_observer() = default;
  connection_observer(const connection_observer&) = delete;
  connection_observer& operator=(const connection_observer&) = delete;
  virtual void connection_over(std::shared_ptr<Conversation>, std::error_code why) = 0;

 protected:
  ~connection_observer() = default;
};

}  // namespace parley::detail
