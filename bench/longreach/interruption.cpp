// SPDX-License-Identifier: MIT
#include "interruption.hpp"

#include <csignal>

namespace longreach {

namespace {

volatile std::sig_atomic_t noted = 0;

extern "C" void note_signal(int signal) {
    noted = signal;
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
}

}

void note_interruptions() noexcept {
    std::signal(SIGINT, note_signal);
    std::signal(SIGTERM, note_signal);
}

int interruption() noexcept { return noted; }

}
