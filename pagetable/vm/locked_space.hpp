// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_LOCKED_SPACE_HPP
#define LONGREACH_PAGETABLE_VM_LOCKED_SPACE_HPP

#include "../../allocator/config.hpp"
#include "../../allocator/locks.hpp"
#include "../../allocator/status.hpp"
#include "../format.hpp"
#include "fault.hpp"

// An address space behind a caller's lock: any thread may fault, one at a time gets in.
//
// Policy, references, page cache and every space that uses them change at a fault: all of them need the same lock, so
// it is the caller's. Faults on one superpage give one allocation, because the second finds the page resident.
// Not for walks: those of the same table that mark entries go through together().

LONGREACH_NAMESPACE_BEGIN

template <class Space, lockable Lock>
class locked_space {
  public:
    using page = typename Space::table_type::page;
    using frame = typename Space::table_type::frame;

    /// Both outlive it.
    locked_space(Space& space, Lock& lock) noexcept : space_(space), lock_(lock) {}

    /// address_space::fault().
    fault_result<frame> fault(page wanted, access_kind kind, bool alone = true) {
        const lock_guard<Lock> guard(lock_);
        return space_.fault(wanted, kind, alone);
    }

    /// Anything else, and several steps as one: `steps(Space&)` runs while the lock is held.
    template <class Steps>
    auto together(Steps steps) {
        const lock_guard<Lock> guard(lock_);
        return steps(space_);
    }

  private:
    Space& space_;
    Lock& lock_;
};

LONGREACH_NAMESPACE_END

#endif
