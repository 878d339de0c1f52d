#include "presence/roster.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

namespace lectern::presence {
namespace {

constexpr std::int64_t skew_allowance_ms = 120'000;  // of wall clocks, for the one case in which they are compared
constexpr std::int64_t gap_ms = 30'000;              // longer without a look: we were asleep, not they
constexpr std::int64_t forget_ms = 24 * 3'600'000;

std::string key_of(const Record& record) {
  return record.device_id + "/" + record.instance_id;
}

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return text.starts_with(prefix); });
}

bool is_loopback(std::string_view address) {
  return starts_with_any(address, {"127.", "localhost:", "[::1]:", "LOCALHOST:", "Localhost:"});
}

/// Addresses that a record of somebody else must never make us dial: any-address, link-local (cloud metadata lives
/// there), multicast.
bool is_forbidden(std::string_view address) {
  if (starts_with_any(address, {"0.", "169.254.", "[::]", "[::ffff:", "[::FFFF:", "[fe8", "[fe9", "[fea", "[feb",
                                "[FE8", "[FE9", "[FEA", "[FEB", "[ff", "[FF"})) {
    return true;
  }
  const auto dot = address.find('.');
  if (dot == 0 || dot > 3) return false;
  int first = 0;
  for (const char c : address.substr(0, dot)) {
    if (c < '0' || c > '9') return false;
    first = first * 10 + (c - '0');
  }
  return first >= 224;
}

}  // namespace

Roster::Roster(std::string device_id, std::string machine)
    : device_id_(std::move(device_id)), machine_(std::move(machine)) {}

/// A reader that did not look cannot say that nothing came: the time it slept counts for nobody.
void Roster::mind_gap(Now now) {
  if (looked_ms_ >= 0 && now.monotonic_ms - looked_ms_ > gap_ms) {
    const auto slept = now.monotonic_ms - looked_ms_;
    for (auto& [key, instance] : instances_) {
      instance.advanced_ms += slept;
      instance.seen_ms += slept;
    }
  }
  looked_ms_ = now.monotonic_ms;
}

void Roster::observe(const std::string& backend, const std::vector<FoundRecord>& records, std::int64_t lag_ms,
                     Now now) {
  mind_gap(now);
  auto& rejected = rejected_by_backend_[backend];
  rejected.clear();
  // By key, then the highest seq, then the text: whatever order a store lists its files in, the result is the same.
  std::map<std::string, std::pair<Record, const std::string*>> newest;
  for (const auto& found : records) {
    auto record = parse_record(found.json);
    if (!record) {
      rejected.push_back({found.origin, record.error().message});
      continue;
    }
    auto& slot = newest[key_of(*record)];
    if (slot.second == nullptr || std::tie(slot.first.seq, *slot.second) < std::tie(record->seq, found.json)) {
      slot = {std::move(*record), &found.json};
    }
  }
  for (auto& [key, found] : newest) take(std::move(found.first), lag_ms, now);
  forget(now);
  rejected_.clear();
  for (const auto& [name, list] : rejected_by_backend_) rejected_.insert(rejected_.end(), list.begin(), list.end());
  std::sort(rejected_.begin(), rejected_.end(), [](const Rejected& a, const Rejected& b) {
    return std::tie(a.origin, a.reason) < std::tie(b.origin, b.reason);
  });
}

void Roster::take(Record record, std::int64_t lag_ms, Now now) {
  const auto [it, first] = instances_.try_emplace(key_of(record));
  auto& instance = it->second;
  instance.seen_ms = now.monotonic_ms;
  instance.lag_ms = lag_ms;
  if (first) {
    // The one comparison of wall clocks: a record never seen before may be from long ago. One step of seq clears it.
    const auto age = now.wall_ms - record.written_at_ms;
    const auto allowed = record.ttl_ms + lag_ms + skew_allowance_ms;
    instance.provisional = age > allowed || age < -allowed;
    instance.advanced_ms = now.monotonic_ms;
    instance.record = std::move(record);
  } else if (record.seq > instance.record.seq) {
    instance.provisional = false;
    instance.advanced_ms = now.monotonic_ms;
    instance.record = std::move(record);
  }
}

void Roster::forget(Now now) {
  std::erase_if(instances_, [&](const auto& entry) { return now.monotonic_ms - entry.second.seen_ms > forget_ms; });
}

void Roster::set_local(std::vector<LocalSession> local) {
  local_.clear();
  for (auto& session : local) {
    local_.insert(std::move(session.id));
    for (auto& id : session.lineage) local_.insert(std::move(id));
  }
}

std::int64_t Roster::patience(const Instance& instance) {
  return instance.record.ttl_ms + instance.lag_ms;
}

Roster::Freshness Roster::freshness(const Instance& instance, Now now) {
  if (instance.provisional || instance.record.state == InstanceState::ended) return Freshness::hidden;
  const auto age = now.monotonic_ms - instance.advanced_ms;
  if (age <= patience(instance)) return Freshness::live;
  return age <= 2 * patience(instance) ? Freshness::stale : Freshness::hidden;
}

bool Roster::is_local(const SessionEntry& session) const {
  return local_.contains(session.id) || std::any_of(session.lineage.begin(), session.lineage.end(),
                                                    [&](const std::string& id) { return local_.contains(id); });
}

std::vector<Endpoint> Roster::dialable(const Record& record) const {
  const bool here = !machine_.empty() && record.machine == machine_;
  std::vector<Endpoint> out;
  for (const auto& endpoint : record.endpoints) {
    const bool local_only = endpoint.scheme == "unix" || endpoint.scope == "loopback" || is_loopback(endpoint.address);
    if (local_only ? here : !is_forbidden(endpoint.address)) out.push_back(endpoint);
  }
  std::stable_sort(out.begin(), out.end(), [](const Endpoint& a, const Endpoint& b) { return a.prio < b.prio; });
  return out;
}

std::vector<RemoteSession> Roster::derive(Now now) const {
  struct Candidate {
    RemoteSession row;
    std::int64_t advanced_ms;
  };
  // Of several that claim a session: the fresher, then the one that advanced last, then by device and instance.
  const auto better = [](const Candidate& a, const Candidate& b) {
    return std::tie(a.row.stale, b.advanced_ms, a.row.device_id, a.row.instance_id) <
           std::tie(b.row.stale, a.advanced_ms, b.row.device_id, b.row.instance_id);
  };
  std::map<std::string, Candidate> by_session;
  for (const auto& [key, instance] : instances_) {
    const auto fresh = freshness(instance, now);
    const auto& record = instance.record;
    if (fresh == Freshness::hidden || record.device_id == device_id_) continue;
    const auto endpoints = dialable(record);
    if (endpoints.empty()) continue;
    for (const auto& session : record.sessions) {
      if (is_local(session)) continue;
      RemoteSession row;
      row.session_id = session.id;
      row.device_id = record.device_id;
      row.device_name = record.device_name;
      row.title = session.title;
      row.status = session.status.empty() ? "idle" : session.status;
      row.needs_input = session.needs_input;
      row.dialable = true;
      row.stale = fresh == Freshness::stale;
      row.updated_at_ms = session.updated_at_ms;
      row.instance_id = record.instance_id;
      row.endpoints = endpoints;
      Candidate candidate{std::move(row), instance.advanced_ms};
      const auto [it, added] = by_session.try_emplace(session.id, candidate);
      if (!added && better(candidate, it->second)) it->second = std::move(candidate);
    }
  }
  std::vector<RemoteSession> rows;
  rows.reserve(by_session.size());
  for (auto& [id, candidate] : by_session) rows.push_back(std::move(candidate.row));
  // A clock that runs ahead must not hold the top for years.
  const auto when = [&](const RemoteSession& row) { return std::min(row.updated_at_ms, now.wall_ms); };
  std::sort(rows.begin(), rows.end(), [&](const RemoteSession& a, const RemoteSession& b) {
    const auto a_when = when(a), b_when = when(b);
    return std::tie(b_when, a.device_id, a.session_id) < std::tie(a_when, b.device_id, b.session_id);
  });
  return rows;
}

bool Roster::refresh(Now now) {
  mind_gap(now);
  auto rows = derive(now);
  if (rows == rows_) return false;
  rows_ = std::move(rows);
  index_.clear();
  for (std::size_t i = 0; i < rows_.size(); ++i) index_[rows_[i].session_id] = i;
  ++revision_;
  return true;
}

const RemoteSession* Roster::find(std::string_view session_id) const {
  const auto it = index_.find(std::string(session_id));
  return it == index_.end() ? nullptr : &rows_[it->second];
}

std::int64_t Roster::next_change_ms(Now now) const {
  auto next = std::numeric_limits<std::int64_t>::max();
  for (const auto& [key, instance] : instances_) {
    if (instance.provisional || instance.record.state == InstanceState::ended) continue;
    for (const int times : {1, 2}) {
      const auto at = instance.advanced_ms + times * patience(instance) + 1;
      if (at > now.monotonic_ms) next = std::min(next, at);
    }
  }
  return next;
}

std::vector<Record> Roster::own_others(std::string_view instance_id) const {
  std::vector<Record> out;
  for (const auto& [key, instance] : instances_) {
    const auto& record = instance.record;
    if (record.device_id == device_id_ && record.instance_id != instance_id && record.machine == machine_) {
      out.push_back(record);
    }
  }
  return out;
}

bool Roster::unchanged(const Record& record, std::int64_t unchanged_ms, Now now) const {
  const auto it = instances_.find(key_of(record));
  return it != instances_.end() && now.monotonic_ms - it->second.advanced_ms >= unchanged_ms;
}

}  // namespace lectern::presence
