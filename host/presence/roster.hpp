// What this device knows of the live sessions of others: validation, freshness, dedupe, exclusion, order, lookup. Pure:
// no clock, no disk, no thread; time comes with every call. Freshness never compares clocks of two machines: a record
// is as fresh as the last moment on OUR monotonic clock at which we saw its (instance, seq) advance.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "presence/record.hpp"

namespace lectern::presence {

/// One moment on the reader's clocks.
struct Now {
  std::int64_t monotonic_ms = 0;
  std::int64_t wall_ms = 0;
};

/// A row of protocol 6.
struct RemoteSession {
  std::string session_id, device_id, device_name, title, status;
  bool needs_input = false;
  bool dialable = false;
  bool stale = false;  // not renewed in time; goes away if that lasts
  std::int64_t updated_at_ms = 0;
  std::string instance_id;
  std::vector<Endpoint> endpoints;  // those this reader may dial, best first
  bool operator==(const RemoteSession&) const = default;
};

/// A session of this host, for the exclusion of twins.
struct LocalSession {
  std::string id;
  std::vector<std::string> lineage;
};

struct FoundRecord {
  std::string origin;
  std::string json;
};
struct Rejected {
  std::string origin, reason;
  bool operator==(const Rejected&) const = default;
};

class Roster {
 public:
  /// `machine` = machine_hash() of this reader.
  Roster(std::string device_id, std::string machine);

  /// Takes a whole snapshot of one backend. What is missing from it is not forgotten at once but ages out. `lag_ms` =
  /// how long that backend takes to carry a record. A record with a lower seq than known of its instance is ignored.
  void observe(const std::string& backend, const std::vector<FoundRecord>& records, std::int64_t lag_ms, Now now);
  /// Sessions here, live or attached: rows of the same session, or of its lineage, are hidden.
  void set_local(std::vector<LocalSession> local);

  /// Recomputes the rows; true when they differ from before (then revision() has risen).
  bool refresh(Now now);
  /// Newest first, as of the last refresh.
  [[nodiscard]] const std::vector<RemoteSession>& rows() const { return rows_; }
  /// The row of that session, null when there is none. O(1). Valid until the next refresh.
  [[nodiscard]] const RemoteSession* find(std::string_view session_id) const;
  [[nodiscard]] std::uint64_t revision() const { return revision_; }
  /// When the rows may change by time alone, on the monotonic clock; max when never.
  [[nodiscard]] std::int64_t next_change_ms(Now now) const;

  /// Records of the last snapshots that could not be used, and why.
  [[nodiscard]] const std::vector<Rejected>& rejected() const { return rejected_; }
  /// Records of our own device, from this machine, of other instances: leftovers, unless their process still runs.
  [[nodiscard]] std::vector<Record> own_others(std::string_view instance_id) const;
  /// True when the record of that instance has not advanced for `unchanged_ms`.
  [[nodiscard]] bool unchanged(const Record& record, std::int64_t unchanged_ms, Now now) const;

 private:
  enum class Freshness { hidden, live, stale };
  struct Instance {
    Record record;
    std::int64_t advanced_ms = 0;  // monotonic, when seq last rose
    std::int64_t seen_ms = 0;      // monotonic, when it was last in a snapshot
    std::int64_t lag_ms = 0;
    bool provisional = false;  // seen at one seq only, and by its own words too old to be believed
  };
  [[nodiscard]] static std::int64_t patience(const Instance& instance);
  [[nodiscard]] static Freshness freshness(const Instance& instance, Now now);
  [[nodiscard]] bool is_local(const SessionEntry& session) const;
  [[nodiscard]] std::vector<Endpoint> dialable(const Record& record) const;
  [[nodiscard]] std::vector<RemoteSession> derive(Now now) const;
  void take(Record record, std::int64_t lag_ms, Now now);
  void mind_gap(Now now);
  void forget(Now now);

  std::string device_id_, machine_;
  std::unordered_map<std::string, Instance> instances_;  // by device_id/instance_id
  std::unordered_set<std::string> local_;
  std::unordered_map<std::string, std::vector<Rejected>> rejected_by_backend_;
  std::vector<Rejected> rejected_;
  std::vector<RemoteSession> rows_;
  std::unordered_map<std::string, std::size_t> index_;
  std::uint64_t revision_ = 0;
  std::int64_t looked_ms_ = -1;  // monotonic, of the last call that looked
};

}  // namespace lectern::presence
