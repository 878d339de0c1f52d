// What presence backends that keep records in files have in common: whole writes, and reads that follow no link and
// wait for nobody. Compiled into each of them.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "records.hpp"

namespace presence_common {

/// A descriptor with an owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { (void)close(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  /// Closes and says whether that went well.
  bool close();

 private:
  int fd_ = -1;
};

/// Throws LECTERN_UNAVAILABLE `folder_unusable` with the words of errno.
[[noreturn]] void fail(const std::string& what);

/// 16 hex digits. Throws when the system has none.
std::string random_name();
enum class Hidden { left_out, listed };  // names that start with a dot
/// Names in the open `folder`, sorted; at most `limit`. Throws when it cannot be read to its end: part of a list must
/// not pass for the whole.
std::vector<std::string> entries(int folder, std::size_t limit, Hidden hidden = Hidden::left_out);
/// What was listed before belongs to a list too: some file systems leave out a name that is replaced while they are
/// read. Safe to use from several threads.
class KnownNames {
 public:
  using Places = std::map<std::string, std::vector<std::string>>;  // names by folder, sorted
  /// [worker] `listed` and what was listed there before, sorted. Notes `listed` in `now`.
  std::vector<std::string> with_known(const std::string& place, std::vector<std::string> listed, Places& now) const;
  /// [worker] At the end of a snapshot: what it found.
  void keep(Places now);

 private:
  mutable std::mutex mutex_;
  Places places_;
};

inline constexpr std::string_view gone = "it is gone";  // the reason of read_file() for what is not there
/// The whole file, or "" and a reason. Never follows a link, never waits on a pipe, at most max_record_bytes.
std::string read_file(int folder, const std::string& name, std::string& reason);

enum class Lasting { no, yes };  // whether it must survive a loss of power
/// Puts `bytes` in place of the file `name` in the open `folder`, mode 0600: readers see the old or the new. `where`
/// names the folder in a Failure.
void put_file(int folder, const std::string& where, const std::string& name, std::string_view bytes, Lasting lasting);
/// Makes it with mode 0700 when it is not there. Throws.
void make_folder(const std::string& path);

}  // namespace presence_common
