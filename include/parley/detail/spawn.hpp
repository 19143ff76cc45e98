#pragma once

#include <exception>
#include <utility>

#include <parley/detail/asio.hpp>

namespace parley::detail {

/// Starts `work` on `e` with nobody waiting for it. What it throws leaves through the executor.
template <typename Executor>
void spawn(const Executor& e, asio::awaitable<void> work) {
  asio::co_spawn(e, std::move(work), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
}

}  // namespace parley::detail
