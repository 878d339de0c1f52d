// Where people are inside cells: their cursors, selections and pointers, and the call to come to a cell. Shown while it
// is true and to whoever is here; nothing of it is recorded or journaled.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/loop.hpp"
#include "session/invocation.hpp"
#include "session/room.hpp"

namespace lectern::session {

class LiveSession;

class Cursors {
 public:
  explicit Cursors(LiveSession& session);

  /// [reactor] Command `cursor`. 400 for positions that are none, 429 past 40 in a second of one member.
  void set(Invocation invocation);
  /// [reactor] Command `gather`: the event goes out at once. 429 within a second of the one before.
  void gather(Invocation invocation);
  /// [reactor] Somebody may have gone: what they showed goes with them.
  void people_changed();
  /// [reactor] Data of the event `cursors`: all that are shown now, the latest 32 to move.
  [[nodiscard]] std::string state_json();
  [[nodiscard]] bool empty() const { return cursors_.empty(); }

 private:
  struct Pointer {
    std::uint64_t x = 0, y = 0;  // thousandths of the cell's width and height
    std::uint64_t n = 0;         // rises with each pointing
    std::int64_t at_ms = 0;
  };
  struct Cursor {
    std::string cell_id, anchor, head;
    std::optional<Pointer> pointer;
    std::int64_t moved_ms = 0;
    std::int64_t second_ms = 0;  // when the count of this second began
    int in_second = 0;
  };
  [[nodiscard]] bool shown(MemberId member, const Cursor& cursor) const;
  void changed();
  void send();

  LiveSession& session_;
  std::map<MemberId, Cursor> cursors_;
  Timer timer_;
  std::int64_t sent_ms_ = 0, gathered_ms_ = 0;
  std::uint64_t pointings_ = 0;
};

}  // namespace lectern::session
