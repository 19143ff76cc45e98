#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/error.hpp>

namespace parley::detail {

/// A program is slow that takes so long over what one read brings, or before others get a turn.
inline constexpr std::chrono::microseconds slow{100};

/// A coroutine that carries a part of its owner's work: begins at once, and its frame goes with
/// this object. An `asio::awaitable` of its own costs six times the memory, and most conversations
/// only wait.
///
/// The coroutine is a member function of `Owner`, whose `loop_failed` is called in the handler of
/// what it throws, and whose `loop_done` is called at its end. Awaits `operation` and `gate`.
///
///   receiving_ = receive_loop();                      // a loop<connection>
template <typename Owner>
class loop {
 public:
  class promise_type {
   public:
    explicit promise_type(Owner& o) noexcept : owner_(o) {}
    loop get_return_object() noexcept { return loop(handle::from_promise(*this)); }
    static std::suspend_never initial_suspend() noexcept { return {}; }
    auto final_suspend() noexcept { return ending{}; }
    void return_void() noexcept {}
    void unhandled_exception() { owner_.loop_failed(); }

   private:
    friend class loop;
    Owner& owner_;
  };

  loop() = default;
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;
  loop(loop&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  loop& operator=(loop&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~loop() {
    if (handle_) handle_.destroy();
  }

 private:
  using handle = std::coroutine_handle<promise_type>;

  struct ending : std::suspend_always {
    static void await_suspend(handle h) noexcept { h.promise().owner_.loop_done(); }
  };

  explicit loop(handle h) noexcept : handle_(h) {}

  handle handle_;
};

/// In the handler of what a loop has thrown: as an error that ends its connection, not the process.
/// What is no error of the network's leaves through the executor.
[[nodiscard]] inline std::error_code what_was_thrown(const asio::any_io_executor& e) {
  try {
    throw;
  } catch (const std::system_error& thrown) {
    return thrown.code();
  } catch (const std::bad_alloc&) {
    return std::make_error_code(std::errc::not_enough_memory);
  } catch (...) {  // the program's own, from `on_event`
    asio::post(e, [thrown = std::current_exception()] { std::rethrow_exception(thrown); });
    return errc::aborted;
  }
}

/// Where one loop waits for another part of its owner, which resumes it in line.
class gate {
 public:
  gate() = default;
  gate(const gate&) = delete;
  gate& operator=(const gate&) = delete;
  ~gate() = default;

  static bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) noexcept { waiting_ = h; }
  static void await_resume() noexcept {}

  /// Resumes the loop, if it waits here.
  void open() {
    if (waiting_) std::exchange(waiting_, nullptr).resume();
  }

 private:
  std::coroutine_handle<> waiting_;
};

/// Memory for one operation of Asio's at a time. What does not fit, or comes besides, is allocated.
class operation_memory {
 public:
  operation_memory() = default;
  operation_memory(const operation_memory&) = delete;
  operation_memory& operator=(const operation_memory&) = delete;
  ~operation_memory() = default;

  [[nodiscard]] void* allocate(std::size_t bytes) {
    if (used_ || bytes > sizeof bytes_) return ::operator new(bytes);
    used_ = true;
    return bytes_;
  }
  void deallocate(void* p) noexcept {
    if (p == bytes_)
      used_ = false;
    else
      ::operator delete(p);
  }

 private:
  static constexpr std::size_t enough = 144;  // for a wait on a socket

  alignas(std::max_align_t) std::byte bytes_[enough];
  bool used_ = false;
};

/// An operation of Asio's that a loop waits for, on the executor of the conversation.
/// `Conversation` is kept alive for as long as that takes.
///
///   operation readable(conversation, [&](auto done) { socket.async_wait(…, std::move(done)); });
///   co_await readable;
///   if (readable.failed()) …
///
/// What is under way most of the time gets memory of its own: Asio's is as large as the largest
/// operation that was ever made in it.
template <typename Conversation, typename Begin, typename Memory = std::nullptr_t>
class operation {
 public:
  /// `begin` is called with a completion handler when the loop waits.
  operation(Conversation& c, Begin begin) : conversation_(c), begin_(std::move(begin)) {}
  operation(Conversation& c, Begin begin, Memory& memory)
      : conversation_(c), begin_(std::move(begin)), memory_(&memory) {}
  operation(const operation&) = delete;
  operation& operator=(const operation&) = delete;
  ~operation() = default;

  static bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    loop_ = h;
    if constexpr (std::is_same_v<Memory, std::nullptr_t>)
      begin_(completion{conversation_.shared_from_this(), this});
    else
      begin_(placed_completion{{conversation_.shared_from_this(), this}});
  }
  static void await_resume() noexcept {}

  [[nodiscard]] std::error_code failed() const noexcept { return failed_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  template <typename T>
  struct allocator {
    using value_type = T;
    explicit allocator(Memory* m) noexcept : memory(m) {}
    template <typename U>  // NOLINTNEXTLINE(google-explicit-constructor): allocators convert
    allocator(const allocator<U>& other) noexcept : memory(other.memory) {}
    [[nodiscard]] T* allocate(std::size_t n) {
      return static_cast<T*>(memory->allocate(n * sizeof(T)));
    }
    void deallocate(T* p, std::size_t) noexcept { memory->deallocate(p); }
    friend bool operator==(const allocator&, const allocator&) = default;
    Memory* memory;
  };

  struct completion {
    void operator()(std::error_code ec, std::size_t n = 0) {
      waiting->failed_ = ec;
      waiting->bytes_ = n;
      waiting->loop_.resume();
    }

    std::shared_ptr<Conversation> conversation;
    operation* waiting;
  };

  struct placed_completion : completion {
    using allocator_type = allocator<void*>;
    [[nodiscard]] allocator_type get_allocator() const noexcept {
      return allocator_type(this->waiting->memory_);
    }
  };

  Conversation& conversation_;
  Begin begin_;
  std::coroutine_handle<> loop_;
  std::error_code failed_;
  std::size_t bytes_ = 0;
  Memory* memory_ = nullptr;
};

/// An operation that waits until a socket can be read, or written.
template <typename Conversation, typename Stream, typename What, typename... Memory>
[[nodiscard]] auto until_ready(Conversation& c, Stream& s, What what, Memory&... memory) {
  const auto begin = [&s, what](auto done) { s.async_wait(what, std::move(done)); };
  return operation(c, begin, memory...);
}

}  // namespace parley::detail
