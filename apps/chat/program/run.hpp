#pragma once

#include <chrono>
#include <exception>
#include <utility>

#include <asio/io_context.hpp>

#include <parley/detail/asio.hpp>
#include <parley/run_spinning.hpp>

#include "chat/program/outcome.hpp"

namespace chat {

/// Runs `work`, and what it has started, to the end; returns how it ended. What it throws, it
/// throws. Looks for the next event for as long as `spin` before it sleeps.
inline exit_status run(asio::awaitable<exit_status> work, std::chrono::microseconds spin) {
  asio::io_context io(1);
  std::exception_ptr thrown;
  auto status = exit_status::internal;
  asio::co_spawn(io, std::move(work), [&](std::exception_ptr e, exit_status s) {
    thrown = std::move(e);
    status = s;
    io.stop();
  });
  if (spin.count() == 0)
    io.run();
  else
    parley::run_spinning(io, spin);
  io.restart();
  // What is left are connections that close. A stranger in the middle of a greeting may take its
  // time over that, and nobody waits for it.
  io.run_for(std::chrono::milliseconds(200));
  if (thrown) std::rethrow_exception(thrown);
  return status;
}

}  // namespace chat
