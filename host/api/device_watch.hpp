// Notices when another host of this device, or a person, ended a pairing: what runs under it loses its rights within
// one lease, not with its next request.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/loop.hpp"
#include "base/workers.hpp"
#include "presence/credentials.hpp"

namespace lectern::api {

class DeviceWatch {
 public:
  /// How long a token that was ended elsewhere may go on here.
  static constexpr std::chrono::milliseconds lease{20'000};

  /// [control] `ended` is called on a worker, or in look(), with the principal of each device whose token stopped
  /// working. All outlive stop().
  DeviceWatch(presence::DeviceCredentials& devices, Loop& loop, Workers& workers,
              std::function<void(const std::string& principal)> ended, std::chrono::milliseconds every = lease);
  /// [control] As stop().
  ~DeviceWatch();
  DeviceWatch(const DeviceWatch&) = delete;
  DeviceWatch& operator=(const DeviceWatch&) = delete;

  /// [worker] Looks now; `ended` has been called when it returns.
  void look();
  /// [control] After it `ended` is not called any more.
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the work under way
};

}  // namespace lectern::api
