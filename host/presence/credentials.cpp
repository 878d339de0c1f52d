#include "presence/credentials.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "presence/private_file.hpp"

namespace lectern::presence {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view principal_prefix = "device:";
constexpr std::string_view token_prefix = "ld_";
/// Two changes within one tick of a file system's clock have one time.
constexpr std::int64_t tick_ns = 100'000'000;

Result<PairedDevice> device_of(const json::Value& value) {
  const json::Fields fields(value, "device");
  PairedDevice out;
  LECTERN_TRY(out.device_id, fields.string("device_id"));
  LECTERN_TRY(out.device_name, fields.string("device_name"));
  LECTERN_TRY(out.pin, fields.string("pin"));
  LECTERN_TRY(out.scope, fields.string("scope"));
  LECTERN_TRY(out.digest, fields.string("digest"));
  LECTERN_TRY(out.their_scope, fields.string("their_scope"));
  LECTERN_TRY(out.token, fields.string("token"));
  LECTERN_TRY(const auto paired, fields.unsigned_integer("paired_at_ms"));
  out.paired_at_ms = static_cast<std::int64_t>(paired);
  const auto* plaintext = value.find("plaintext");
  out.plaintext = plaintext != nullptr && plaintext->as_bool().value_or(false);
  for (const auto& scope : {out.scope, out.their_scope}) {
    if (!is_device_scope(scope)) {
      return fail(400, "bad_device", "device.scope is \"" + text::label(scope, 40) + "\"");
    }
  }
  return out;
}

std::string write_devices(const std::map<std::string, PairedDevice, std::less<>>& devices) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("version", 1).key("devices").begin_array();
  for (const auto& [id, device] : devices) {
    writer.begin_object()
        .member("device_id", id)
        .member("device_name", device.device_name)
        .member("pin", device.pin)
        .member("scope", device.scope)
        .member("digest", device.digest)
        .member("their_scope", device.their_scope)
        .member("token", device.token)
        .member("paired_at_ms", device.paired_at_ms)
        .member("plaintext", device.plaintext)
        .end_object();
  }
  writer.end_array().end_object();
  return out;
}

bool opens_something(const PairedDevice& device) {
  return device.scope != "none" && !device.digest.empty();
}

bool is_reached(const PairedDevice& device) {
  return device.their_scope != "none" && !device.token.empty();
}

/// Held while the file is read, changed and written: hosts of one device change it in turn.
class FileLock {
 public:
  explicit FileLock(const fs::path& file) {
    std::error_code ignored;
    fs::create_directories(file.parent_path(), ignored);
    const auto name = file.string() + ".lock";
    fd_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    while (fd_ >= 0 && ::flock(fd_, LOCK_EX) != 0) {
      if (errno == EINTR) continue;
      ::close(fd_);
      fd_ = -1;
    }
  }
  ~FileLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

}  // namespace

std::string device_principal(std::string_view device_id) {
  return std::string(principal_prefix) + std::string(device_id);
}

std::string_view device_of_principal(std::string_view principal) {
  return principal.starts_with(principal_prefix) ? principal.substr(principal_prefix.size()) : std::string_view();
}

bool is_device_scope(std::string_view text) {
  constexpr std::array<std::string_view, 5> all = {"none", "view", "interact", "edit", "admin"};
  return std::find(all.begin(), all.end(), text) != all.end();
}

bool looks_like_device_token(std::string_view text) {
  return text.starts_with(token_prefix);
}

DeviceCredentials::DeviceCredentials(fs::path file) : file_(std::move(file)) {}

Result<std::unique_ptr<DeviceCredentials>> DeviceCredentials::open(const fs::path& state_dir) {
  std::unique_ptr<DeviceCredentials> out(new DeviceCredentials(state_dir / "devices.json"));
  const std::scoped_lock lock(out->mutex_);
  out->seen_ = out->stamp();
  LECTERN_TRY(out->devices_, out->read());
  return out;
}

DeviceCredentials::Stamp DeviceCredentials::stamp() const {
  struct stat facts {};
  Stamp out;
  if (::stat(file_.c_str(), &facts) != 0) return out;
  out.there = true;
  out.changed_ns = std::int64_t{facts.st_ctim.tv_sec} * 1'000'000'000 + facts.st_ctim.tv_nsec;
  out.modified_ns = std::int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec;
  out.inode = facts.st_ino;
  out.size = static_cast<std::uint64_t>(facts.st_size);
  return out;
}

Result<DeviceCredentials::Devices> DeviceCredentials::read() const {
  Devices out;
  const auto bytes = read_private(file_);
  std::error_code error;
  if (bytes.empty() && !fs::exists(file_, error)) return out;
  const auto bad = [&](const std::string& why) {
    return fail(500, "devices_damaged", "the paired devices in " + file_.string() + " cannot be read: " + why,
                "remove the file and pair your devices again");
  };
  const auto parsed = json::parse(bytes);
  if (!parsed) return bad(parsed.error().message);
  const auto list = json::Fields(*parsed, "devices.json").array("devices");
  if (!list) return bad(list.error().message);
  for (const auto& one : **list) {
    auto device = device_of(one);
    if (!device) return bad(device.error().message);
    out[device->device_id] = std::move(*device);
  }
  return out;
}

// Under the mutex. What another process ended is remembered for take_ended() whoever happens to see it first.
void DeviceCredentials::take(Devices fresh) const {
  for (const auto& [id, before] : devices_) {
    const auto found = fresh.find(id);
    const PairedDevice now = found == fresh.end() ? PairedDevice() : found->second;
    const bool theirs_holds = !opens_something(before) || (now.digest == before.digest && now.scope == before.scope);
    const bool ours_holds =
        !is_reached(before) || (is_reached(now) && now.token == before.token && now.pin == before.pin);
    if (!theirs_holds || !ours_holds) ended_.push_back(id);
  }
  devices_ = std::move(fresh);
}

// Under the mutex.
void DeviceCredentials::look_again() const {
  const auto now = stamp();
  if (now == seen_ && (!now.there || clock::wall_ms() * 1'000'000 - now.changed_ns > tick_ns)) return;
  auto fresh = read();
  if (!fresh && now != seen_) log::warning("presence", fresh.error().message + "; no paired device is let in");
  seen_ = now;
  take(fresh ? std::move(*fresh) : Devices());
}

std::optional<DeviceCredential> DeviceCredentials::outgoing(std::string_view device_id) const {
  const std::scoped_lock lock(mutex_);
  look_again();
  const auto found = devices_.find(device_id);
  if (found == devices_.end() || !is_reached(found->second)) return {};
  const auto& device = found->second;
  return DeviceCredential{device.device_id, device.device_name, device.pin,
                          device.token,     device.their_scope, device.plaintext};
}

std::optional<DeviceCredentials::Accepted> DeviceCredentials::accept(std::string_view token) const {
  if (!looks_like_device_token(token)) return {};
  const auto rest = token.substr(token_prefix.size());
  const auto digest = crypto::sha256_hex(token);
  const std::scoped_lock lock(mutex_);
  look_again();
  const auto found = devices_.find(rest.substr(0, rest.find('.')));
  if (found == devices_.end() || !opens_something(found->second)) return {};
  if (!crypto::equal(found->second.digest, digest)) return {};
  return Accepted{found->second.device_id, found->second.device_name, found->second.scope};
}

std::optional<DeviceCredentials::Accepted> DeviceCredentials::accepted(std::string_view device_id) const {
  const std::scoped_lock lock(mutex_);
  const auto found = devices_.find(device_id);
  if (found == devices_.end() || !opens_something(found->second)) return {};
  return Accepted{found->second.device_id, found->second.device_name, found->second.scope};
}

std::vector<PairedDevice> DeviceCredentials::list() const {
  std::vector<PairedDevice> out;
  {
    const std::scoped_lock lock(mutex_);
    look_again();
    out.reserve(devices_.size());
    for (const auto& [id, device] : devices_) out.push_back(device);
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return std::tie(a.device_name, a.device_id) < std::tie(b.device_name, b.device_id);
  });
  return out;
}

// `apply` changes a copy of what the file says now and returns a Status.
template <class Change>
Status DeviceCredentials::change(Change&& apply) {
  const FileLock turn(file_);
  if (!turn) {
    return fail(500, "state_dir_unwritable", "cannot lock " + file_.string() + ": " + std::strerror(errno),
                "give a folder of your own with --state-dir");
  }
  LECTERN_TRY(auto devices, read());
  LECTERN_CHECK(apply(devices));
  auto saved = replace_private(file_, write_devices(devices));
  const std::scoped_lock lock(mutex_);
  seen_ = stamp();
  // Void at once, whatever the disk says: a revocation that waits is none.
  if (saved || devices.size() < devices_.size()) take(std::move(devices));
  return saved;
}

Status DeviceCredentials::put(PairedDevice device) {
  return change([&](Devices& devices) -> Status {
    const auto known = devices.find(device.device_id);
    // An id is what a device says of itself: what was granted to the one with the key stays with the key.
    if (known != devices.end() && known->second.pin != device.pin) {
      return fail(409, "device_known", "a device with this id is paired already, with another key",
                  "if it is the same device: lectern unpair " + device.device_id + ", then pair again");
    }
    if (devices.size() >= most && known == devices.end()) {
      return fail(429, "too_many_devices", "this device is paired with " + std::to_string(devices.size()) + " others",
                  "take some out with lectern unpair; 'lectern devices' lists them");
    }
    devices[device.device_id] = std::move(device);
    return {};
  });
}

Result<PairedDevice> DeviceCredentials::revoke(std::string_view device_id) {
  PairedDevice gone;
  LECTERN_CHECK(change([&](Devices& devices) -> Status {
    const auto found = devices.find(device_id);
    if (found == devices.end()) {
      return fail(404, "device_not_found", "no paired device has the id '" + text::label(device_id, 80) + "'",
                  "'lectern devices' lists them");
    }
    gone = std::move(found->second);
    devices.erase(found);
    return {};
  }));
  return gone;
}

std::vector<std::string> DeviceCredentials::take_ended() {
  const std::scoped_lock lock(mutex_);
  look_again();
  return std::exchange(ended_, {});
}

}  // namespace lectern::presence
