// Memory that runs out on purpose. malloc.cpp, part of the program but not of its library, replaces the C library's
// allocator; where it is not linked (a sanitizer brings its own) nothing ever fails.
#pragma once

namespace lectern::validate {

/// Per thread: how many more allocations succeed; below 0 = all of them. With `allocations_stay_out` every later one
/// fails too, else only that one.
extern __thread long allocations_left;
extern __thread bool allocations_stay_out;
extern __thread bool allocation_failed;
/// Set by malloc.cpp.
extern bool allocator_is_ours;

/// Inside a sink, which is the host's: its own memory is not the plugin's.
class Unlimited {
 public:
  Unlimited() : saved_(allocations_left) { allocations_left = -1; }
  ~Unlimited() { allocations_left = saved_; }
  Unlimited(const Unlimited&) = delete;
  Unlimited& operator=(const Unlimited&) = delete;

 private:
  long saved_;
};

}  // namespace lectern::validate
