// Durations and bounds of sessions. All durations are milliseconds on the host's monotonic clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "document/limits.hpp"

namespace lectern::session {

struct Settings {
  std::string policy = "local-takeover";
  std::string policy_config = "{}";  // JSON object

  int reservation_lost_ms = 15'000;   // how long an editor's slot is kept after its connection was lost
  int reservation_closed_ms = 5'000;  // the same after a clean close: a reload takes less
  int client_without_socket_ms = 30'000;
  int member_lost_ms = 60'000;       // a member without grant or reservation is forgotten after this
  int flush_window_ms = 300;         // protocol 4: one `03` with flush after a takeover
  int request_deadline_ms = 30'000;  // a takeover request nobody answered ends then, at the latest
  int ask_pong_ms = 1'000;           // an askee whose connection takes nothing for this long counts as lost
  int session_ttl_ms = 120'000;      // a session that nobody uses lives this long; 0 = ends at once
  int autosave_after_ms = 2'000;     // after the last edit or output
  int autosave_at_most_ms = 10'000;  // after the first unsaved edit or output; 0 turns autosave off
  int version_quiet_ms = 60'000;     // an edit after a longer pause begins a version of its own in the history
  int version_at_most_ms = 600'000;  // so does one this long after its version's first
  int hello_ms = 10'000;             // a connection without a client key has this long to send one
  int keepalive_ms = 20'000;
  int policy_budget_ms = 50;       // one call of a policy
  int document_build_ms = 60'000;  // an edit waits this long for the document to be built, then 504

  std::int64_t cull_idle_ms = 0;    // a kernel nobody used for so long is ended; 0 = never
  std::uint64_t kernel_memory = 0;  // bytes that a kernel and what it started may use; 0 = what there is

  std::size_t replay_bytes = 8u << 20;  // the ring of recorded events
  std::size_t replay_events = 65'536;
  std::size_t queue_bytes = 4u << 20;            // what one consumer may have waiting before it is resynced
  std::size_t max_members = 10'000;              // who comes then is told SESSION_FULL
  std::size_t max_edits_waiting = 1'024;         // while the document builds
  std::size_t max_requests = 64;                 // open takeover requests of one room
  std::uint64_t history_operations = 1'000'000;  // a notebook of more, most of them past, begins a new history
  std::uint64_t models_changes = 20'000;         // of the models document; then a fresh one takes its place
  document::FileLimits file_limits;
  std::uint64_t epoch_block = 1'024;  // values reserved in the journal ahead of use
  bool autosave = true;
};

}  // namespace lectern::session
