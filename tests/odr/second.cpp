// SPDX-License-Identifier: MIT
#include "every_header.hpp"
#include "odr.hpp"

odr::counter odr::second() { return longreach::count_ones; }
