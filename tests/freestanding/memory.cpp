// SPDX-License-Identifier: MIT
// The four functions that compilers call on their own; a kernel has them.

using size = decltype(sizeof 0);

extern "C" {

void* memcpy(void* to, const void* from, size n) {
    for (size i = 0; i < n; ++i) static_cast<char*>(to)[i] = static_cast<const char*>(from)[i];
    return to;
}

void* memmove(void* to, const void* from, size n) {
    auto* target = static_cast<char*>(to);
    const auto* source = static_cast<const char*>(from);
    if (target < source) return memcpy(to, from, n);
    while (n-- > 0) target[n] = source[n];
    return to;
}

void* memset(void* to, int value, size n) {
    for (size i = 0; i < n; ++i) static_cast<char*>(to)[i] = static_cast<char>(value);
    return to;
}

int memcmp(const void* a, const void* b, size n) {
    const auto* x = static_cast<const unsigned char*>(a);
    const auto* y = static_cast<const unsigned char*>(b);
    for (size i = 0; i < n; ++i) {
        if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
    }
    return 0;
}
}
