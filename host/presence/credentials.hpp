// What this device and the devices it is paired with know of each other (docs/pairing.md): `devices.json` in the state
// folder, mode 0600, shared by every host of the device and read again when another one changed it. Of the token a
// device uses here only the digest is kept; the token that is used there has to be kept itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace lectern::presence {

/// How this device reaches a paired one and what it may do there.
struct DeviceCredential {
  std::string device_id, device_name;
  std::string pin;         // sha256 of its public key (SPKI), hex: a TLS server with another key is not that device
  std::string token;       // for `Authorization: Bearer`; never over plaintext except to loopback
  std::string scope;       // granted to us there, when we paired: "view", "interact", "edit", "admin", or "none"
  bool plaintext = false;  // as PairedDevice::plaintext
};

/// One paired device, as the file has it.
struct PairedDevice {
  std::string device_id, device_name, pin;
  std::string scope;        // granted to it here: "view", "interact", "edit", "admin", or "none"
  std::string digest;       // sha256 hex of the token it uses here
  std::string their_scope;  // as DeviceCredential::scope
  std::string token;        // as DeviceCredential::token
  std::int64_t paired_at_ms = 0;
  bool plaintext = false;  // paired without TLS, as hosts of one machine may: only then its token goes out without
  bool operator==(const PairedDevice&) const = default;
};

/// "device:<device_id>": whom policies, clients and revocations know a paired device as.
std::string device_principal(std::string_view device_id);
/// The device id in such a principal; empty for any other.
std::string_view device_of_principal(std::string_view principal);
/// [any] "none", "view", "interact", "edit" and "admin" are.
bool is_device_scope(std::string_view text);
/// What a token of a paired device looks like: "ld_<device_id>.<secret>".
bool looks_like_device_token(std::string_view text);

/// [any] for every function without a tag; looking is one stat() unless the file changed.
class DeviceCredentials {
 public:
  static constexpr std::size_t most = 1'000;

  /// [control] The file need not exist. 500 `devices_damaged` naming it: nobody is let in by guess.
  static Result<std::unique_ptr<DeviceCredentials>> open(const std::filesystem::path& state_dir);

  /// What to dial that device with; empty when we are not paired, or it granted us nothing.
  [[nodiscard]] std::optional<DeviceCredential> outgoing(std::string_view device_id) const;

  struct Accepted {
    std::string device_id, device_name, scope;
    [[nodiscard]] std::string principal() const { return device_principal(device_id); }
  };
  /// Who comes with this token and what it may do here; empty when it is no token of a paired device (any more).
  [[nodiscard]] std::optional<Accepted> accept(std::string_view token) const;
  /// What a paired device may do here as the file was last seen; empty as above. For what was let in and has yet to
  /// happen: waits for no disk.
  [[nodiscard]] std::optional<Accepted> accepted(std::string_view device_id) const;
  [[nodiscard]] bool lives(std::string_view device_id) const { return accepted(device_id).has_value(); }

  /// By name, then id.
  [[nodiscard]] std::vector<PairedDevice> list() const;

  /// [worker] Adds the device or replaces what was known of it: its former token opens nothing from here on. 409
  /// `device_known` when another key has its id, 429 `too_many_devices`, 500 `state_dir_unwritable`.
  Status put(PairedDevice device);
  /// [worker] Takes the device out and returns it; 404 `device_not_found`, 500 `state_dir_unwritable` (then it is void
  /// in this process until the file is read again).
  Result<PairedDevice> revoke(std::string_view device_id);

  /// [worker] Looks at the file, and returns the devices whose token stopped working here since the last call, or ours
  /// for them was taken out or replaced, whoever did it: what runs under either is to end.
  std::vector<std::string> take_ended();

 private:
  using Devices = std::map<std::string, PairedDevice, std::less<>>;  // by id
  struct Stamp {
    std::int64_t changed_ns = 0, modified_ns = 0;
    std::uint64_t inode = 0, size = 0;
    bool there = false;
    bool operator==(const Stamp&) const = default;
  };
  explicit DeviceCredentials(std::filesystem::path file);
  [[nodiscard]] Stamp stamp() const;
  [[nodiscard]] Result<Devices> read() const;
  void look_again() const;
  void take(Devices fresh) const;
  template <class Change>
  Status change(Change&& apply);

  std::filesystem::path file_;
  mutable std::mutex mutex_;
  mutable Devices devices_;
  mutable std::vector<std::string> ended_;
  mutable Stamp seen_;
};

}  // namespace lectern::presence
