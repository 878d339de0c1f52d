#include "presence/device.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/crypto.hpp"
#include "base/text.hpp"

namespace lectern::presence {
namespace fs = std::filesystem;
namespace {

bool is_device_id(std::string_view id) {
  return id.size() == 32 &&
         std::all_of(id.begin(), id.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string first_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

}  // namespace

Result<std::string> device_id(const fs::path& state_dir) {
  const auto file = state_dir / "device-id";
  const auto unwritable = [&] {
    return fail(500, "state_dir_unwritable",
                "cannot keep the device id in " + file.string() + ": " + std::strerror(errno),
                "give a folder of your own with --state-dir");
  };
  std::error_code problem;
  if (!fs::exists(file, problem)) {
    fs::create_directories(state_dir, problem);
    const auto fresh = text::to_hex(crypto::random_bytes(16));
    const auto temp = state_dir / (".device-id." + std::to_string(::getpid()) + ".tmp");
    const int fd = ::open(temp.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return unwritable();
    const auto line = fresh + "\n";
    const bool whole = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && ::fsync(fd) == 0;
    ::close(fd);
    // A link, not a rename: of two hosts that start at once the first one's id stands, for both.
    const bool linked = whole && (::link(temp.c_str(), file.c_str()) == 0 || errno == EEXIST);
    const auto failure = errno;
    ::unlink(temp.c_str());
    errno = failure;
    if (!linked) return unwritable();
  }
  auto id = first_line(file);
  if (is_device_id(id)) return id;
  return fail(500, "device_id_damaged", file.string() + " does not hold 32 hex digits",
              "remove it to become a new device to the others");
}

std::string machine_hash() {
  for (const auto* file : {"/etc/machine-id", "/var/lib/dbus/machine-id"}) {
    const auto id = first_line(file);
    // With a word of ours in front, so that the hash is of no use to look the machine up elsewhere.
    if (!id.empty()) return crypto::sha256_hex("lectern machine " + id);
  }
  return {};
}

std::string boot_hash() {
  const auto boot = first_line("/proc/sys/kernel/random/boot_id");
  std::error_code problem;
  const auto pids = fs::read_symlink("/proc/self/ns/pid", problem);
  return boot.empty() || problem ? std::string() : crypto::sha256_hex("lectern boot " + boot + " " + pids.string());
}

std::string shown_name(std::string_view name) {
  const auto label = text::label(name, 64);
  const auto from = label.find_first_not_of(' ');
  return from == std::string::npos ? std::string() : label.substr(from, label.find_last_not_of(' ') + 1 - from);
}

std::string device_name(std::string_view chosen) {
  if (auto name = shown_name(chosen); !name.empty()) return name;
  // gethostname asks the system's own memory, never the network: it needs no time box of its own.
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  const std::string_view full = name.data();
  return text::label(full.substr(0, full.find('.')), 64);
}

std::uint64_t process_started(std::uint64_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(in, line)) return 0;
  // The program's name is in parentheses and may hold anything; field 22 counts from there.
  const auto after = line.rfind(')');
  if (after == std::string::npos) return 0;
  std::istringstream fields(line.substr(after + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  return field.empty() || !std::all_of(field.begin(), field.end(), ::isdigit) ? 0 : std::stoull(field);
}

}  // namespace lectern::presence
