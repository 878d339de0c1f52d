// What is written down before a rename, so that a host that dies between the rename and what the registry and the state
// folders are told of it leaves no notebook without its id and its past. Private to this folder.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.hpp"
#include "document/system_file.hpp"

namespace lectern::document {

class RenameIntent {
 public:
  struct Names {
    std::string from, to;
    std::uint64_t inode = 0;  ///< of what is renamed; its device may have another number after a start of the machine
    std::uint64_t move = 0;   ///< its place among all moves (move_order.hpp); 0: an earlier version did not say
  };

  /// [worker] What has the name `from` is about to get the name `to`, both absolute. Durable before it returns, in a
  /// file of `folder`, which is made when missing; other hosts leave it alone as long as the intent lives. 404
  /// `not_found`, and the errors of system_error().
  static Result<RenameIntent> write(const std::string& folder, const std::string& from, const std::string& to,
                                    std::uint64_t move);
  RenameIntent(RenameIntent&& other) noexcept = default;
  RenameIntent& operator=(RenameIntent&&) = delete;
  /// [worker] Everybody was told, or nothing was renamed.
  ~RenameIntent();

  /// [worker] What was to be renamed has its new name. A rename may fail after that, in making it durable.
  [[nodiscard]] bool carried_out() const;

  /// [worker] What hosts left that died over it: calls `renamed` for each that was carried out, in the order of the
  /// moves, and forgets all but those of which neither name can be looked at: they may be on a disk that is not there
  /// yet, and wait for it for a month.
  static void finish_all(const std::string& folder,
                         const std::function<void(const std::string& from, const std::string& to)>& renamed);

 private:
  RenameIntent(Descriptor file, std::string path, Names names)
      : file_(std::move(file)), path_(std::move(path)), names_(std::move(names)) {}
  Descriptor file_;  // locked
  std::string path_;
  Names names_;
};

}  // namespace lectern::document
