// The hosts of one person on one machine: <root>/v1/<home>/<device_id>.<instance_id>.json. A home is a folder whose
// file "lock" its host keeps locked as long as it runs, however it ends; a home nobody locks is removed by whoever
// looks next.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "../presence-common/files.hpp"
#include "lectern/sdk/presence.hpp"

namespace presence_local {

class Local final : public lectern::sdk::Presence {
 public:
  /// 0: what is not listed any more has ended, as nothing is on its way here.
  static constexpr std::uint64_t lag_ms = 0, min_period_ms = 500;

  static constexpr std::string_view config_schema = R"({
    "$schema": "http://json-schema.org/draft-04/schema#",
    "title": "Presence on one machine",
    "type": "object",
    "properties": {
      "folder": {
        "description": "A folder of yours alone, not synced; default: lectern/presence in $XDG_RUNTIME_DIR",
        "type": "string",
        "pattern": "^/"
      }
    },
    "additionalProperties": false
  })";
  /// Degraded from a publish that failed until one that did not.
  static lectern::sdk::Health health();

  explicit Local(std::string_view config);
  ~Local() override;
  Local(const Local&) = delete;
  Local& operator=(const Local&) = delete;

  void publish(std::string_view device_id, std::string_view instance_id, std::string_view record) override;
  void remove(std::string_view device_id, std::string_view instance_id) override;
  void snapshot(const lectern::sdk::PresenceSink& out) override;

 private:
  void make_root() const;
  [[nodiscard]] presence_common::Fd open_root() const;
  void make_home(int root);
  [[nodiscard]] bool at_home(int root) const;

  std::string root_;  // …/v1
  presence_common::KnownNames known_;
  std::mutex mutex_;  // of what follows
  std::string home_;  // its name, empty before the first publish
  presence_common::Fd folder_, lock_;
};

}  // namespace presence_local
