// Where what a host renamed while it died is now: whoever had it open comes back by the old path, until something else
// is there. Private to this folder.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace lectern::document {

class MovesSinceCrash {
 public:
  /// [any] What was at `from`, a notebook or a folder of them, is at `to`; called in the order of the moves.
  void add(const std::string& from, const std::string& to);
  /// [worker] Empty: nothing was moved from there, or something else is there since.
  [[nodiscard]] std::string place_of(std::string_view path);
  /// [any] What was at `from` was renamed once more; or what was at `path` was deleted.
  void renamed(const std::string& from, const std::string& to);
  void removed(std::string_view path);
  /// [any] Something is at `path` now: it stays what that path means, even when it is gone again.
  void taken(std::string_view path);

 private:
  struct Move {
    std::string from, to;
  };
  std::mutex mutex_;
  std::vector<Move> moves_;
};

}  // namespace lectern::document
