// The allocator of this program: glibc's, that can be told to fail.
#include <cerrno>
#include <cstddef>

#include "allocation.hpp"

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
}

namespace {

using namespace lectern::validate;

bool out_of_memory() {
  if (allocations_left < 0) return false;
  if (allocations_left > 0) {
    --allocations_left;
    return false;
  }
  allocation_failed = true;
  if (!allocations_stay_out) allocations_left = -1;
  errno = ENOMEM;
  return true;
}

const bool told = [] {
  allocator_is_ours = true;
  return true;
}();

}  // namespace

extern "C" {
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
void* malloc(std::size_t size) noexcept {
  return out_of_memory() ? nullptr : __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  return out_of_memory() ? nullptr : __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) noexcept {
  return out_of_memory() ? nullptr : __libc_realloc(old, size);
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
}
