// What the private network this machine is in calls it. Asked of the program that runs that network, which may be slow,
// broken or not there: bounded in time and in size, on a thread of its own.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <thread>

namespace lectern::presence {

/// [any] The program `tailscale` of the PATH; "" when it is not installed.
std::string mesh_program();

/// [worker] The name the machine has in its network, as `program status` says while it is connected; "" when it is not,
/// or has not said so within `budget`, after which it is killed. Safe to show, as device_name().
std::string mesh_name(const std::string& program, std::chrono::milliseconds budget);

/// [any] The name in the JSON of `tailscale status`: the first label of its DNS name, which its owner can change there,
/// else the host name it was told. Pure.
std::string mesh_name_in(std::string_view status);

/// Finds out the device's name while something else is done: what was configured, else mesh_name(), else the host's
/// own.
class NameLookup {
 public:
  /// [control] Without a configured name and with mesh_program() a thread asks it; else there is none.
  NameLookup(std::string configured, std::chrono::milliseconds budget);
  /// [control] As get().
  ~NameLookup();
  NameLookup(const NameLookup&) = delete;
  NameLookup& operator=(const NameLookup&) = delete;

  /// [control] Waits for what is left of the budget.
  std::string get();

 private:
  std::string configured_, found_;
  std::thread thread_;
};

}  // namespace lectern::presence
