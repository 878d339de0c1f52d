// What this host says about itself: builds its record, numbers it, decides when the next one is due. Pure like Roster.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "presence/record.hpp"
#include "presence/roster.hpp"

namespace lectern::presence {

/// Who writes.
struct Writer {
  std::string device_id, device_name, instance_id, machine, boot = {};
};

class Publisher {
 public:
  /// `lag_ms`, `min_period_ms`: of the backend. The beat and the ttl follow from them: a record outlives two missed
  /// beats, and two beats plus four times the lag. `seq`: the last number given out, shared by all publishers of one
  /// instance, so that a reader of several backends sees the numbers rise whichever of them fails.
  Publisher(Writer writer, std::int64_t lag_ms, std::int64_t min_period_ms,
            std::shared_ptr<std::uint64_t> seq = std::make_shared<std::uint64_t>(0));

  void set_endpoints(std::vector<Endpoint> endpoints);
  void set_sessions(std::vector<SessionEntry> sessions);
  void set_draining();

  /// The record to publish now, if one is due: something changed and min_period passed, or the beat is up.
  std::optional<std::string> due(Now now);
  /// The last word: `ended`, without sessions.
  std::string ended(Now now);
  /// The last publish did not get through: it is due again after min_period, and twice that with each failure more, up
  /// to a beat.
  void failed();
  /// It did.
  void arrived() { failures_ = 0; }
  /// Monotonic time of the next due() that may give something.
  [[nodiscard]] std::int64_t next_due_ms() const;
  [[nodiscard]] std::int64_t beat_ms() const { return beat_ms_; }
  [[nodiscard]] std::int64_t ttl_ms() const { return record_.ttl_ms; }

 private:
  std::string next(Now now);
  Record record_;
  std::shared_ptr<std::uint64_t> seq_;
  unsigned failures_ = 0;
  std::int64_t beat_ms_, min_period_ms_;
  std::int64_t published_ms_ = -1;
  bool changed_ = true;
};

}  // namespace lectern::presence
