// The record a host publishes about itself and its live sessions (docs/presence.md), schema 1. What others wrote is
// bounded and checked here before anything looks at it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace lectern::presence {

inline constexpr std::size_t max_record_bytes = 256u << 10;  // of one instance with all its sessions
inline constexpr std::size_t max_sessions = 256;             // of one instance
inline constexpr std::int64_t min_ttl_ms = 5'000;
inline constexpr std::int64_t max_ttl_ms = 600'000;

enum class InstanceState { live, draining, ended };

struct Endpoint {
  std::string scheme;             // "ws", "wss", "unix"
  std::string address;            // "host:port", never with a token
  std::string scope;              // loopback | lan | overlay | public
  std::vector<std::string> auth;  // methods, never secrets
  std::uint32_t prio = 0;         // smaller is tried first
  bool operator==(const Endpoint&) const = default;
};

struct SessionEntry {
  std::string id;
  std::vector<std::string> lineage;  // the notebook's own id and those it was copied or restored from
  std::string title;
  std::string status;  // "idle", "busy", "starting", "dead", "none"
  bool needs_input = false;
  std::int64_t updated_at_ms = 0;  // wall clock of the writer: for people and order, never for freshness
  bool operator==(const SessionEntry&) const = default;
};

struct Record {
  std::string device_id, device_name, instance_id;
  std::uint64_t seq = 0;
  InstanceState state = InstanceState::live;
  std::int64_t ttl_ms = 0;
  std::int64_t written_at_ms = 0;  // wall clock of the writer
  std::string machine;             // machine_hash()
  std::string boot;                // boot_hash(): where and since when its pid means something
  std::uint64_t pid = 0;           // of the host, and when it started: tells a dead instance from a second one on the
  std::uint64_t pid_started = 0;   // same machine; in the system's own units
  std::string client;              // "lectern/0.1.0"
  std::vector<Endpoint> endpoints;
  std::vector<SessionEntry> sessions;
  bool operator==(const Record&) const = default;
};

/// [any] 400 `bad_record` naming the field, 413 `too_large`. Texts come out safe to show; ttl_ms is clamped; endpoints
/// with an unknown scheme or a malformed address are left out (the record stays: it was seen, but is not dialable).
Result<Record> parse_record(std::string_view json);
/// [any]
std::string write_record(const Record& record);

}  // namespace lectern::presence
