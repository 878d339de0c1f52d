// The processes of one Remote and whose turn it is in each. Private to isolation/.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <utility>

#include "isolation/remote.hpp"

namespace lectern::isolation {

struct Remote::Seat {
  Seat(const Launch& launch, Op make, Lives& lives, NewsSink on_news)
      : child(launch, make, lives, std::move(on_news)), folder(launch.folder) {}
  Child child;
  const std::filesystem::path folder;  // of a presence backend
  struct Place {
    ::dev_t device = 0;
    ::ino_t inode = 0;
    bool operator==(const Place&) const = default;
  } place;                   // of the folder when the process was shut into it
  std::uint64_t object = 0;  // the only one of it; 0 = for any
  bool trial = false;        // of a policy: only to take settings
  bool unwanted = false;     // its object was let go of
  bool busy = false;         // `object` and what follows it are Remote::mutex_'s
  std::int64_t used_ms = 0;  // when it was last given a call
};

/// The right to call a seat's child, until it ends.
class Remote::Turn {
 public:
  Turn(Remote& of, std::shared_ptr<Seat> seat) : of_(&of), seat_(std::move(seat)) {}
  Turn(Turn&& other) noexcept : of_(other.of_), seat_(std::move(other.seat_)) {}
  Turn& operator=(Turn&&) = delete;
  ~Turn();
  [[nodiscard]] explicit operator bool() const { return seat_ != nullptr; }
  Seat& seat() const { return *seat_; }
  Child* operator->() const { return &seat_->child; }
  Child& operator*() const { return seat_->child; }

 private:
  Remote* of_;
  std::shared_ptr<Seat> seat_;
};

inline Packer request(Op op) {
  Packer to;
  to.number(op);
  return to;
}

/// What the plugin said in the end, after `replay` got the records of the last frame.
template <class Replay>
lectern_status ended(const std::string& done, lectern_error& error, Replay&& replay) {
  Unpacker from(done);
  const auto status = unpack_end(from, error);
  const auto last = from.ok() ? replay(from.rest()) : lectern_status{LECTERN_INTERNAL};
  return status == LECTERN_OK ? last : status;
}

}  // namespace lectern::isolation
