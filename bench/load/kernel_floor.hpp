// The floor of "execute": the same ipykernel driven over ZeroMQ by nothing but this file.
#pragma once

#include <memory>
#include <string>

#include "load/stats.hpp"

namespace load {

class KernelFloor {
 public:
  /// Starts `python -m ipykernel_launcher` and waits until it answers.
  explicit KernelFloor(const std::string& python);
  ~KernelFloor();
  KernelFloor(const KernelFloor&) = delete;
  KernelFloor& operator=(const KernelFloor&) = delete;
  /// Runs `code` once: from the request to both the reply and idle, microseconds.
  std::int64_t execute(const std::string& code);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace load
