// Large buffers in large pages. The kernel hands out a fresh buffer page by page, a fault for each 4 KiB: of a file of
// 24 MB these are 6,000, and a third of what reading or composing it costs.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

namespace lectern {

/// [any] `buffer` has room for `bytes`; when that is much, in large pages where the system has them. What is in it
/// stays.
inline void reserve_large(std::string& buffer, std::size_t bytes) {
  constexpr std::size_t worth_it = std::size_t{4} << 20;
  buffer.reserve(bytes);
  if (bytes < worth_it) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(buffer.data()) + page - 1) & ~(page - 1);
  const auto end = (reinterpret_cast<std::uintptr_t>(buffer.data()) + buffer.capacity()) & ~(page - 1);
  // Only advice: where it is not taken, all is as before.
  if (begin < end) (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

}  // namespace lectern
