// How devices learn of each other: one file per host in a folder that all of them see. A backend is a dumb store; what
// is fresh, valid or one's own is the host's business. Calls may block; the host puts a deadline on them.
#include <lectern/sdk/json_slice.hpp>
#include <lectern/sdk/presence.hpp>
#include <lectern/sdk/settings.hpp>

#include <dirent.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

namespace {

using namespace lectern::sdk;
namespace fs = std::filesystem;

constexpr std::uintmax_t max_record_bytes = 256u << 10;  // files of others are untrusted

class MyPlugin final : public Presence {
 public:
  static constexpr std::uint64_t lag_ms = 2000;         // how long a record takes to reach the others, about
  static constexpr std::uint64_t min_period_ms = 1000;  // the host does not publish more often

  explicit MyPlugin(std::string_view config) {
    Settings settings(config);
    folder_ = settings.text("folder", "");
    settings.done();
    if (folder_.empty()) throw Failure(LECTERN_INVALID, "the setting \"folder\" is missing", "Name a shared folder.");
  }

  void publish(std::string_view device, std::string_view instance, std::string_view record) override {
    fs::create_directories(folder_);
    const auto path = file(device, instance);
    const auto temporary = path.string() + ".new";
    std::ofstream(temporary, std::ios::binary) << record;
    fs::rename(temporary, path);  // readers see the old or the new, never a mixture
  }

  void remove(std::string_view device, std::string_view instance) override { fs::remove(file(device, instance)); }

  void snapshot(const PresenceSink& out) override {
    // Not fs::directory_iterator: libstdc++'s ends the process when memory runs out on the way to the next entry.
    const std::unique_ptr<DIR, int (*)(DIR*)> listed(::opendir(folder_.c_str()), &::closedir);
    if (!listed) return;  // nobody has published anything
    while (const auto* found = ::readdir(listed.get())) {
      const std::string name = found->d_name;
      const auto path = folder_ / name;
      if (path.extension() != ".json") continue;
      std::error_code gone;  // a file may vanish under our hands: that is no failure
      const bool regular = fs::is_regular_file(fs::symlink_status(path, gone));
      const auto size = regular ? fs::file_size(path, gone) : max_record_bytes + 1;
      if (gone || size > max_record_bytes) {
        out.rejected(name, gone ? gone.message() : "it is no file, or too large");
        continue;
      }
      std::ifstream in(path, std::ios::binary);
      const std::string record(std::istreambuf_iterator<char>(in), {});
      if (name != own_name(record)) {  // a copy that a sync tool made, or somebody who speaks for another device
        out.rejected(name, "it is not the record of the device and instance its name says");
        continue;
      }
      out.record(name, record);
    }
  }

 private:
  // The name of the file that this record belongs into.
  static std::string own_name(std::string_view record) {
    return json::text(json::member(record, "device_id")) + "." + json::text(json::member(record, "instance_id")) +
           ".json";
  }
  [[nodiscard]] fs::path file(std::string_view device, std::string_view instance) const {
    const auto name = std::string(device) + "." + std::string(instance);
    // Ids are file names here: nothing may lead out of the folder.
    const bool fits = name.size() <= 200 && std::count(name.begin(), name.end(), '.') == 1 && name[0] != '.' &&
                      name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string::npos;
    if (!fits) {
      throw Failure(LECTERN_INVALID, "the id " + name + " is no file name");
    }
    return folder_ / (name + ".json");
  }
  fs::path folder_;
};

}  // namespace

LECTERN_PLUGIN(PresenceOf<MyPlugin>);
