// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_CONFIG_HPP
#define LONGREACH_ALLOCATOR_CONFIG_HPP

// The seam between longreach and the program that embeds it; every macro of the library is here.
//
//   LONGREACH_CHECKS   1 (default) tests what callers must not do, 0 leaves those tests out.
//   LONGREACH_PANIC    what a failed test calls, with its label, a string literal; must not return.
//
// Define either before the first inclusion. The check level is part of every mangled name, so
// objects built with different levels link together, and handing one to the other is a link error.

#ifndef LONGREACH_CHECKS
#define LONGREACH_CHECKS 1
#endif

#ifndef LONGREACH_PANIC
#define LONGREACH_PANIC(label) __builtin_trap()
#endif

#if LONGREACH_CHECKS
/// Ends in LONGREACH_PANIC(label) unless `condition` holds; O(1) conditions only.
#define LONGREACH_CHECK(condition, label) (__builtin_expect(!(condition), 0) ? LONGREACH_PANIC(label) : (void)0)
#define LONGREACH_NAMESPACE_BEGIN \
    namespace longreach {         \
    inline namespace checks_on {
#else
#define LONGREACH_CHECK(condition, label) ((void)sizeof(!(condition)))
#define LONGREACH_NAMESPACE_BEGIN \
    namespace longreach {         \
    inline namespace checks_off {
#endif

#define LONGREACH_NAMESPACE_END \
    }                           \
    }

#endif
