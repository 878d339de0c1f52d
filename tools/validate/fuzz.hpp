// --fuzz: one seed after the other until the time is over or something breaks.
#pragma once

#include <chrono>
#include <string>

#include "test.hpp"

namespace lectern::validate {

/// [control] Calls `body(seed)` for each seed from --seed on, for --minutes; 0 minutes = that one seed.
template <class Body>
void fuzz(const Context& context, Report& report, Body&& body) {
  const auto until = std::chrono::steady_clock::now() +
                     std::chrono::milliseconds(static_cast<std::int64_t>(context.options.minutes * 60'000));
  std::uint64_t seed = context.options.seed;
  do {
    doing("take what seed " + std::to_string(seed) + " makes");
    body(seed);
    if (report.failed()) {
      report.note("again: lectern-validate PLUGIN --fuzz --minutes 0 --seed " + std::to_string(seed));
      return;
    }
    ++seed;
  } while (std::chrono::steady_clock::now() < until);
  report.note(std::to_string(seed - context.options.seed) + " seeds, the last one " + std::to_string(seed - 1));
}

}  // namespace lectern::validate
