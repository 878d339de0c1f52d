// The least that an edit which is on disk and reaches many peers can cost on this machine, now: one thread that
// receives over loopback TCP, writes and fdatasyncs a record, and writes it to every peer.
#pragma once

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace load {

class FanoutFloor {
 public:
  FanoutFloor(const std::string& folder, int peers);
  ~FanoutFloor();
  FanoutFloor(const FanoutFloor&) = delete;
  FanoutFloor& operator=(const FanoutFloor&) = delete;

  /// Microseconds from the sender's write until the last peer has the record.
  std::int64_t once();
  /// CPU time of the thread so far, milliseconds.
  [[nodiscard]] double cpu_ms();

 private:
  void serve();
  std::string path_;
  int file_ = -1;
  int epoll_ = -1;               // of the receivers
  std::vector<int> near_, far_;  // the driver's ends and the server's; the first is the sender's
  std::thread server_;
};

}  // namespace load
