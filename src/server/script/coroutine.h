#pragma once

// A function with a stack of its own, which can pause in the middle of whatever it has called, and is gone on
// with later on the same thread.
//
// Boost.Context switches the stacks. AddressSanitizer is told of each switch, as it keeps books on stacks.
// ThreadSanitizer is not: to it another stack would be another thread, which can't unlock what this one has locked.

#include <sys/mman.h>

#include <boost/context/fiber.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace forebay::server::script {

// Memory for one stack, which one coroutine after the other may use. Below it lies a page that nobody may
// touch.
class CoroutineStack {
 public:
  explicit CoroutineStack(std::size_t bytes) : bytes_(bytes + kGuard) {
    void* const memory = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<char*>(memory);
    ::mprotect(memory_, kGuard, PROT_NONE);
  }
  ~CoroutineStack() { ::munmap(memory_, bytes_); }
  CoroutineStack(const CoroutineStack&) = delete;
  CoroutineStack& operator=(const CoroutineStack&) = delete;

  char* bottom() const { return memory_ + kGuard; }
  std::size_t size() const { return bytes_ - kGuard; }

 private:
  static constexpr std::size_t kGuard = std::size_t{64} << 10;
  char* memory_;
  std::size_t bytes_;
};

// Not thread-safe; all of it happens on one thread.
class Coroutine {
 public:
  // `stack` outlives it, and is no other's meanwhile. `body` must not let an exception out. It has ended before
  // this is destroyed.
  Coroutine(CoroutineStack& stack, std::move_only_function<void()> body)
      : stack_(stack), body_(std::move(body)) {
    context_ =
        boost::context::fiber(std::allocator_arg, Given{&stack_}, [this](boost::context::fiber&& outer) {
          arrived();
          outer_ = std::move(outer);
          body_();
          leaving(true);
          return std::move(outer_);
        });
  }
  Coroutine(const Coroutine&) = delete;
  Coroutine& operator=(const Coroutine&) = delete;

  // Begins, or goes on after pause(), until the next pause() or the end. True: it has ended.
  bool resume() {
#if defined(__SANITIZE_ADDRESS__)
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, stack_.bottom(), stack_.size());
#endif
    context_ = std::move(context_).resume();
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
    return !context_;
  }

  // Called by the body: returns when it is gone on with.
  void pause() {
    leaving(false);
    outer_ = std::move(outer_).resume();
    arrived();
  }

 private:
  // Boost.Context's allocator of stacks.
  struct Given {
    CoroutineStack* stack;
    boost::context::stack_context allocate() const {
      boost::context::stack_context context;
      context.size = stack->size();
      context.sp = stack->bottom() + stack->size();
      return context;
    }
    void deallocate(boost::context::stack_context&) const {}
  };

  void arrived() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_, &outside_bottom_, &outside_size_);
#endif
  }
  void leaving([[maybe_unused]] bool for_good) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(for_good ? nullptr : &fake_, outside_bottom_, outside_size_);
#endif
  }

  CoroutineStack& stack_;
  std::move_only_function<void()> body_;
  boost::context::fiber context_;
  boost::context::fiber outer_;
#if defined(__SANITIZE_ADDRESS__)
  void* fake_ = nullptr;
  const void* outside_bottom_ = nullptr;
  std::size_t outside_size_ = 0;
#endif
};

}  // namespace forebay::server::script
