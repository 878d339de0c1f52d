// A worker's view of its Wire: reads and writes that wait, with deadlines, and end at once when the door closes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/door.hpp"
#include "net/wire.hpp"

namespace lectern::net {

enum class Waited { ready, peer_closed, timeout, failed, stopped };

class SyncReader {
 public:
  SyncReader(Wire& wire, const StopSignal& stop) : wire_(wire), stop_(stop) {}

  /// Appends at least a byte to buffer(), or says why not. `deadline_ms` on clock::now_ms().
  Waited fill(std::int64_t deadline_ms);
  /// Sends all of `bytes`.
  Waited write(std::string_view bytes, std::int64_t deadline_ms);
  /// What was read and not yet taken.
  [[nodiscard]] std::string& buffer() { return buffer_; }

 private:
  Waited wait(Want want, std::int64_t deadline_ms);
  Wire& wire_;
  const StopSignal& stop_;
  std::string buffer_;
};

}  // namespace lectern::net
