// A presence backend as the presence layer sees it: a dumb store of records.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "plugin/generation.hpp"

namespace lectern::plugin {

struct PresenceRecord {
  std::string origin;  // where it was found, for reports
  std::string record;  // JSON text as found; not validated
};
struct RejectedRecord {
  std::string origin;
  std::string reason;
};
struct PresenceSnapshot {
  std::vector<PresenceRecord> records;
  std::vector<RejectedRecord> rejected;
};

/// Calls may block and may run side by side; the caller puts a deadline on them and keeps this object alive meanwhile
/// (shared for that reason).
class PresenceBackend {
 public:
  /// [control] 400 `bad_config`, 503 `presence_unavailable` with the backend's words.
  static Result<std::shared_ptr<PresenceBackend>> open(GenerationPtr generation, std::string_view config_json);
  /// [control] Closes the backend.
  ~PresenceBackend();
  PresenceBackend(const PresenceBackend&) = delete;
  PresenceBackend& operator=(const PresenceBackend&) = delete;

  [[nodiscard]] const std::string& id() const;            // [any]
  [[nodiscard]] std::uint64_t lag_ms() const;             // [any]
  [[nodiscard]] std::uint64_t min_period_ms() const;      // [any]
  [[nodiscard]] const GenerationPtr& generation() const;  // [any]

  /// [worker] Replaces this instance's record.
  Status publish(std::string_view device_id, std::string_view instance_id, std::string_view record);
  /// [worker] Removes what an ended instance of our own device left behind.
  Status remove(std::string_view device_id, std::string_view instance_id);
  /// [worker] All records there are, ours included. At most 10,000 records of at most 1 MiB each; more are rejected.
  Result<PresenceSnapshot> snapshot();

 private:
  struct Inner;
  explicit PresenceBackend(std::unique_ptr<Inner> inner);
  std::unique_ptr<Inner> inner_;
};

}  // namespace lectern::plugin
