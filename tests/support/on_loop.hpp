// Work for a loop, from a test's own thread.
#pragma once

#include <functional>
#include <future>

#include "base/loop.hpp"

namespace lectern::test {

/// Runs `work` on `loop` and waits.
inline void on_loop(Loop& loop, const std::function<void()>& work) {
  std::promise<void> done;
  loop.post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

}  // namespace lectern::test
