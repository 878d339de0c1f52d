// The store: <root>/v1/<device_id>/<instance_id>.json, one file per running host with all its sessions. Each file has
// one writer, so a sync tool never has two versions to choose from.
#pragma once

#include <string>
#include <string_view>

#include "../presence-common/files.hpp"
#include "lectern/sdk/health.hpp"
#include "lectern/sdk/presence.hpp"

namespace presence_folder {

class Folder final : public lectern::sdk::Presence {
 public:
  /// What sync tools need to carry a change (Syncthing batches for 10 s), and how often we write at most.
  static constexpr std::uint64_t lag_ms = 15'000, min_period_ms = 1'000;

  static constexpr std::string_view config_schema = R"({
    "$schema": "http://json-schema.org/draft-04/schema#",
    "title": "Presence in a folder",
    "type": "object",
    "properties": {
      "folder": {
        "description": "A folder that is synced to your other devices; made when it is not there",
        "type": "string",
        "pattern": "^/"
      }
    },
    "required": ["folder"],
    "additionalProperties": false
  })";
  /// Degraded from a publish that failed until one that did not.
  static lectern::sdk::Health health();

  /// `config`: {"folder": "/absolute/path"}. Makes it with mode 0700 when it is not there.
  explicit Folder(std::string_view config);

  void publish(std::string_view device_id, std::string_view instance_id, std::string_view record) override;
  void remove(std::string_view device_id, std::string_view instance_id) override;
  void snapshot(const lectern::sdk::PresenceSink& out) override;

 private:
  void write_record(std::string_view device_id, std::string_view instance_id, std::string_view record);
  std::string root_;  // …/v1
  presence_common::KnownNames known_;
};

}  // namespace presence_folder
