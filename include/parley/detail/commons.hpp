#pragma once

#include <memory>
#include <system_error>

#include <parley/chunks.hpp>
#include <parley/detail/alarms.hpp>
#include <parley/detail/asio.hpp>

namespace parley::detail {

/// What the conversations on one executor share.
template <typename Clock>
struct commons {
  explicit commons(const asio::any_io_executor& e)
      : alarms(std::make_shared<detail::alarms<Clock>>(e)) {}

  std::shared_ptr<detail::alarms<Clock>> alarms;
  parley::spares spares;
};

/// Who goes on with a conversation whose connection has ended.
template <typename Carrier>
class host {
 public:
  host() = default;
  host(const host&) = delete;
  host& operator=(const host&) = delete;
  virtual void connection_over(std::shared_ptr<Carrier>, std::error_code why) = 0;

 protected:
  ~host() = default;
};

}  // namespace parley::detail
