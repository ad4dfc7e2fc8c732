// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_FIBER_HPP
#define LONGREACH_TESTS_MODEL_FIBER_HPP

#include <ucontext.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#define LONGREACH_TESTS_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LONGREACH_TESTS_ADDRESS_SANITIZER 1
#endif
#endif

#ifdef LONGREACH_TESTS_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// A function that can stop in its middle and be taken up again. One owner resumes it; it yields to the owner.
// The stack is reused by each start. What a body leaves unfinished is abandoned without running its destructors.
// Stopped, the function's whole state is its live stack, registers included, which the owner may compare.

namespace longreach::model {

class fiber {
  public:
    fiber() : stack_(new std::byte[stack_bytes]) {
        if (getcontext(&fresh_) != 0 || has_fake_stack()) std::abort();
    }
    fiber(const fiber&) = delete;
    fiber& operator=(const fiber&) = delete;

    /// Makes ready to call `body(argument)` at the next resume; abandons what ran here before.
    void start(void (*body)(void*), void* argument) {
        unpoison_stack();
        std::memset(stack_.get() + stack_bytes - cleared_bytes, 0, cleared_bytes);
        body_ = body;
        argument_ = argument;
        finished_ = false;
        own_ = fresh_;
        own_.uc_stack.ss_sp = stack_.get();
        own_.uc_stack.ss_size = stack_bytes;
        own_.uc_link = nullptr;
        makecontext(&own_, &fiber::enter, 0);
    }
    /// Runs until the body yields or returns.
    void resume() {
        void* saved = nullptr;
        fiber* const outer = std::exchange(current_, this);
        leave(&saved, stack_.get(), stack_bytes);
        if (swapcontext(&owner_, &own_) != 0) std::abort();
        arrive(saved, nullptr, nullptr);
        current_ = outer;
    }
    /// From inside the body: back to the owner, until the next resume.
    [[gnu::noinline]] void yield() {
        __builtin_unwind_init();  // all registers a caller may rely on go to this frame
        suspend();
        asm volatile("" ::: "memory");  // no tail call: the frame stays
    }
    /// Of a body that has yielded: what it will go on from. Left over values in it are the same for the same past.
    std::span<const std::byte> live_stack() const {
        const std::byte* const top = stack_.get() + stack_bytes;
        return {mark_, static_cast<std::size_t>(top - mark_)};
    }
    bool finished() const { return finished_; }

  private:
    static constexpr std::size_t stack_bytes = std::size_t{256} << 10;
    static constexpr std::size_t cleared_bytes = std::size_t{16} << 10;

    [[gnu::noinline]] void suspend() {
        mark_ = static_cast<const std::byte*>(__builtin_frame_address(0));
        void* saved = nullptr;
        leave(&saved, owner_stack_, owner_stack_bytes_);
        if (swapcontext(&own_, &owner_) != 0) std::abort();
        arrive(saved, &owner_stack_, &owner_stack_bytes_);
    }

    static void enter() {
        fiber& self = *current_;
        arrive(nullptr, &self.owner_stack_, &self.owner_stack_bytes_);
        self.body_(self.argument_);
        self.finished_ = true;
        leave(nullptr, self.owner_stack_, self.owner_stack_bytes_);
        setcontext(&self.owner_);
        std::abort();
    }

    // AddressSanitizer has to hear of every change of stack.
#ifdef LONGREACH_TESTS_ADDRESS_SANITIZER
    static void leave(void** saved, const void* to, std::size_t bytes) {
        __sanitizer_start_switch_fiber(saved, to, bytes);
    }
    static void arrive(void* saved, const void** from, std::size_t* bytes) {
        __sanitizer_finish_switch_fiber(saved, from, bytes);
    }
    // Locals kept elsewhere (detect_stack_use_after_return) would escape live_stack().
    static bool has_fake_stack() { return __asan_get_current_fake_stack() != nullptr; }
    void unpoison_stack() { __asan_unpoison_memory_region(stack_.get(), stack_bytes); }
#else
    static void leave(void**, const void*, std::size_t) {}
    static void arrive(void*, const void**, std::size_t*) {}
    static bool has_fake_stack() { return false; }
    void unpoison_stack() {}
#endif

    static inline fiber* current_ = nullptr;

    std::unique_ptr<std::byte[]> stack_;
    ucontext_t fresh_{};
    ucontext_t own_{};
    ucontext_t owner_{};
    const void* owner_stack_ = nullptr;
    std::size_t owner_stack_bytes_ = 0;
    const std::byte* mark_ = nullptr;
    void (*body_)(void*) = nullptr;
    void* argument_ = nullptr;
    bool finished_ = true;
};

}  // namespace longreach::model

#undef LONGREACH_TESTS_ADDRESS_SANITIZER

#endif
