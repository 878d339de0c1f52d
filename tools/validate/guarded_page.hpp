// Bytes whose last one lies right before memory that nobody may touch: reading past the end crashes at once.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <new>
#include <string_view>

namespace lectern::validate {

class GuardedPage {
 public:
  explicit GuardedPage(std::string_view bytes) : size_(bytes.size()) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t pages = (size_ + page - 1) / page;
    mapped_ = (pages + 1) * page;
    void* made = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<char*>(made);
    ::mprotect(base_ + pages * page, page, PROT_NONE);
    data_ = base_ + pages * page - size_;
    if (size_ != 0) std::memcpy(data_, bytes.data(), size_);
  }
  ~GuardedPage() { ::munmap(base_, mapped_); }
  GuardedPage(const GuardedPage&) = delete;
  GuardedPage& operator=(const GuardedPage&) = delete;

  [[nodiscard]] char* data() const { return data_; }
  [[nodiscard]] std::string_view text() const { return {data_, size_}; }

 private:
  std::size_t size_ = 0, mapped_ = 0;
  char *base_ = nullptr, *data_ = nullptr;
};

}  // namespace lectern::validate
