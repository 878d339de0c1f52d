#include "folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "lectern/sdk/settings.hpp"

namespace presence_folder {
using namespace presence_common;
using lectern::sdk::Failure;
namespace {

constexpr std::size_t max_devices = 1'000;
constexpr std::size_t max_files = 1'000;  // of one device

Trouble& last_trouble() {
  static Trouble trouble;
  return trouble;
}

/// What sync tools and editors leave beside the real file.
bool is_ours(std::string_view name) {
  return name.ends_with(".json") && is_id(name.substr(0, name.size() - 5)) &&
         name.find("sync-conflict") == std::string_view::npos && name.find("conflicted") == std::string_view::npos;
}

}  // namespace

Folder::Folder(std::string_view config) {
  lectern::sdk::Settings settings(config);
  const auto folder = settings.text("folder", "");
  settings.done();
  if (folder.empty() || folder.front() != '/') {
    throw Failure(LECTERN_INVALID, "presence-folder needs \"folder\", an absolute path",
                  "give one with --presence-folder")
        .code("bad_config");
  }
  for (std::size_t slash = folder.find('/', 1); slash != std::string::npos; slash = folder.find('/', slash + 1)) {
    ::mkdir(folder.substr(0, slash).c_str(), 0700);  // the check below says what is wrong
  }
  make_folder(folder);
  struct stat about {};
  if (::stat(folder.c_str(), &about) != 0) fail("cannot look at " + folder);
  if (!S_ISDIR(about.st_mode)) {
    throw Failure(LECTERN_INVALID, folder + " is not a folder").code("bad_config");
  }
  if ((about.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw Failure(LECTERN_INVALID, folder + " may be written to by others on this machine",
                  "chmod go-w " + folder + ", or choose a folder of your own")
        .code("folder_unsafe");
  }
  root_ = folder + "/v1";
  make_folder(root_);
}

lectern::sdk::Health Folder::health() {
  return last_trouble().health();
}

void Folder::publish(std::string_view device_id, std::string_view instance_id, std::string_view record) {
  last_trouble().watch([&] { write_record(device_id, instance_id, record); });
}

void Folder::write_record(std::string_view device_id, std::string_view instance_id, std::string_view record) {
  check_ids(device_id, instance_id);
  check_size(record);
  const auto folder = root_ + "/" + std::string(device_id);
  make_folder(root_);
  make_folder(folder);
  const Fd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) fail("cannot open " + folder);
  put_file(directory.get(), folder, std::string(instance_id) + ".json", record, Lasting::yes);
}

void Folder::remove(std::string_view device_id, std::string_view instance_id) {
  check_ids(device_id, instance_id);
  const auto folder = root_ + "/" + std::string(device_id);
  const auto file = folder + "/" + std::string(instance_id) + ".json";
  if (::unlink(file.c_str()) != 0 && errno != ENOENT) fail("cannot remove " + file);
}

void Folder::snapshot(const lectern::sdk::PresenceSink& out) {
  const Fd root(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) fail("cannot read " + root_);
  KnownNames::Places found;
  for (const auto& device : entries(root.get(), max_devices)) {
    if (!is_id(device)) {
      out.rejected(device, "the folder's name is not a device id");
      continue;
    }
    const Fd folder(::openat(root.get(), device.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder) {
      out.rejected(device, "it is not a folder");
      continue;
    }
    for (const auto& name : known_.with_known(device, entries(folder.get(), max_files), found)) {
      auto origin = device;
      origin.append("/").append(name);
      if (!is_ours(name)) {
        if (name.ends_with(".json")) out.rejected(origin, "a copy that a sync tool made, or a name of nobody's");
        continue;
      }
      std::string reason;
      const auto record = read_file(folder.get(), name, reason);
      if (reason == gone) continue;
      // A record speaks for the device whose folder it lies in, and for the instance it is named after.
      if (reason.empty()) reason = misplaced(record, device, std::string_view(name).substr(0, name.size() - 5));
      if (reason.empty()) {
        out.record(origin, record);
      } else {
        out.rejected(origin, reason);
      }
    }
  }
  known_.keep(std::move(found));
}

}  // namespace presence_folder
