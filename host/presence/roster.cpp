#include "presence/roster.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "presence/endpoints.hpp"

namespace lectern::presence {
namespace {

constexpr std::int64_t skew_allowance_ms = 120'000;  // of wall clocks, for the one case in which they are compared
constexpr std::int64_t gap_ms = 30'000;              // longer without a look: we were asleep, not they
constexpr std::int64_t forget_ms = 24 * 3'600'000;
constexpr std::int64_t forget_every_ms = 60'000;

std::string key_of(const Record& record) {
  return record.device_id + "/" + record.instance_id;
}

}  // namespace

bool RemoteSession::operator==(const RemoteSession& other) const {
  const auto texts = [](const RemoteSession& row) {
    return std::tie(row.session_id, row.device_id, row.device_name, row.title, row.status, row.needs_input,
                    row.dialable, row.stale, row.contested, row.updated_at_ms, row.instance_id);
  };
  if (texts(*this) != texts(other)) return false;
  return endpoints == other.endpoints || (endpoints && other.endpoints && *endpoints == *other.endpoints);
}

Roster::Roster(Reader reader) : reader_(std::move(reader)) {}

/// A reader that did not look cannot say that nothing came: the time it slept counts for nobody.
void Roster::mind_gap(Now now) {
  if (looked_ms_ >= 0 && now.monotonic_ms - looked_ms_ > gap_ms) {
    const auto slept = now.monotonic_ms - looked_ms_;
    for (auto& [key, instance] : instances_) {
      instance.advanced_ms += slept;
      instance.seen_ms += slept;
    }
    dirty_ = true;
  }
  looked_ms_ = now.monotonic_ms;
}

std::uint32_t Roster::index_of(const std::string& backend) {
  const auto it = std::find_if(sources_.begin(), sources_.end(), [&](const auto& one) { return one.name == backend; });
  const auto index = static_cast<std::uint32_t>(it - sources_.begin());
  if (it == sources_.end()) sources_.push_back({backend, {}, {}, 0, 0});
  return index;
}

void Roster::observe(const std::string& backend, const std::vector<FoundRecord>& records, std::int64_t lag_ms,
                     Now now) {
  mind_gap(now);
  const auto source_index = index_of(backend);
  auto& known = sources_[source_index].known;
  const auto round = ++sources_[source_index].round;
  const auto listed_before = std::exchange(sources_[source_index].listed, 0);
  std::vector<Rejected> rejected;
  struct Newest {
    Record record;
    const FoundRecord* found = nullptr;
  };
  // By key, then the highest seq, then the text: whatever order a store lists its files in, the result is the same.
  std::map<std::string, Newest> newest;
  for (const auto& found : records) {
    const auto hash = std::hash<std::string_view>{}(found.json);
    auto& before = known.next(found.origin);
    if (before.read && before.hash == hash && before.size == found.json.size()) {
      auto* const at = before.key.empty() ? nullptr : instance_of(before);
      if (at != nullptr) touch(*at, source_index, lag_ms, 0, now);
      if (before.key.empty()) rejected.push_back({found.origin, before.reason});
      if (at != nullptr || before.key.empty()) continue;
    }
    before.read = true;
    before.hash = hash;
    before.size = found.json.size();
    auto record = parse_record(found.json);
    if (!record) {
      rejected.push_back({found.origin, record.error().message});
      before.key.clear();
      before.reason = record.error().message;
      continue;
    }
    before.key = key_of(*record);
    before.instance = nullptr;
    before.reason.clear();
    auto& slot = newest[before.key];
    if (slot.found == nullptr || std::tie(slot.record.seq, slot.found->json) < std::tie(record->seq, found.json)) {
      slot = {std::move(*record), &found};
    }
  }
  for (const auto& [key, one] : newest) {
    if (const auto at = instances_.find(key); at != instances_.end()) touch(at->second, source_index, lag_ms, 0, now);
  }
  forget(newest.size(), now);
  for (auto& [key, one] : newest) {
    const auto ttl_ms = one.record.ttl_ms;
    if (!take(std::move(one.record), lag_ms, now)) {
      rejected.push_back(
          {one.found->origin, "there are records of more than " + std::to_string(reader_.max_hosts) + " hosts"});
      continue;
    }
    auto& instance = instances_.at(key);
    touch(instance, source_index, lag_ms, ttl_ms, now);
    refresh_dialable(instance);
  }
  known.end();
  sources_[source_index].rejected = std::move(rejected);
  // Each that is listed was so before, or touch() has noticed; so the same number is the same ones.
  const bool some_left = sources_[source_index].listed != listed_before;
  dirty_ = dirty_ || some_left;
  // Where nothing is ever on its way, what is not there has ended.
  if (lag_ms == 0 && dirty_) {
    for (auto& [key, instance] : instances_) {
      for (const auto& place : instance.places) {
        if (place.backend == source_index && place.round + 1 == round) instance.gone = true;
      }
    }
  }
  gather_rejected();
}

void Roster::gather_rejected() {
  rejected_.clear();
  for (const auto& source : sources_) rejected_.insert(rejected_.end(), source.rejected.begin(), source.rejected.end());
  std::sort(rejected_.begin(), rejected_.end(), [](const Rejected& a, const Rejected& b) {
    return std::tie(a.origin, a.reason) < std::tie(b.origin, b.reason);
  });
}

Roster::Instance* Roster::instance_of(Known& known) {
  if (known.instance == nullptr || known.erased != erased_) {
    const auto at = instances_.find(known.key);
    known.instance = at == instances_.end() ? nullptr : &at->second;
    known.erased = erased_;
  }
  return known.instance;
}

/// Notes that a backend lists this instance; `ttl_ms` 0 = as before.
void Roster::touch(Instance& instance, std::uint32_t backend, std::int64_t lag_ms, std::int64_t ttl_ms, Now now) {
  instance.seen_ms = now.monotonic_ms;
  auto place = std::find_if(instance.places.begin(), instance.places.end(),
                            [&](const Place& one) { return one.backend == backend; });
  if (place == instance.places.end()) place = instance.places.insert(place, Place{backend, lag_ms, ttl_ms, 0});
  auto& source = sources_[backend];
  const auto before = std::exchange(place->round, source.round);
  if (before != source.round) ++source.listed;
  dirty_ = dirty_ || before + 1 < source.round || place->lag_ms != lag_ms || (ttl_ms != 0 && place->ttl_ms != ttl_ms);
  place->lag_ms = lag_ms;
  if (ttl_ms != 0) place->ttl_ms = ttl_ms;
  if (lag_ms != 0) return;
  dirty_ = dirty_ || instance.gone || instance.provisional;
  instance.gone = false;
  if (instance.provisional) instance.advanced_ms = now.monotonic_ms;
  instance.provisional = false;
}

bool Roster::take(Record record, std::int64_t lag_ms, Now now) {
  const auto key = key_of(record);
  auto it = instances_.find(key);
  if (it != instances_.end()) {
    auto& instance = it->second;
    if (record.seq <= instance.record.seq) return true;
    instance.provisional = instance.gone = false;
    instance.moved = true;
    instance.advanced_ms = now.monotonic_ms;
    instance.record = std::move(record);
    instance.dialable = nullptr;
    changed_.push_back(&instance);
    return true;
  }
  if (instances_.size() >= reader_.max_hosts) return false;
  Instance instance;
  // The one comparison of wall clocks: a record never seen before may be from long ago. One step of seq clears it.
  const auto age = now.wall_ms - record.written_at_ms;
  const auto allowed = record.ttl_ms + lag_ms + skew_allowance_ms;
  instance.provisional = age > allowed || age < -allowed;
  instance.advanced_ms = now.monotonic_ms;
  instance.record = std::move(record);
  instances_.emplace(key, std::move(instance));
  dirty_ = true;
  return true;
}

void Roster::forget(std::size_t coming, Now now) {
  const auto erase_if = [this](const auto& is_old) {
    if (std::erase_if(instances_, is_old) == 0) return;
    ++erased_;
    dirty_ = true;
  };
  if (forgot_ms_ < 0 || now.monotonic_ms - forgot_ms_ >= forget_every_ms) {
    forgot_ms_ = now.monotonic_ms;
    erase_if([&](const auto& entry) { return now.monotonic_ms - entry.second.seen_ms > forget_ms; });
  }
  if (instances_.size() + coming <= reader_.max_hosts) return;
  // Somebody makes up hosts: those that no snapshot lists any more make room.
  erase_if([this](const auto& entry) {
    return std::none_of(entry.second.places.begin(), entry.second.places.end(),
                        [this](const Place& place) { return is_listed(place); });
  });
}

void Roster::set_local(std::vector<LocalSession> local) {
  dirty_ = true;
  local_.clear();
  for (auto& session : local) {
    local_.insert(std::move(session.id));
    for (auto& id : session.lineage) local_.insert(std::move(id));
  }
}

/// The most that any backend that lists it asks for; when none does any more, the most that any asked for.
std::int64_t Roster::patience(const Instance& instance) const {
  std::int64_t listed = 0, any = 0;
  for (const auto& place : instance.places) {
    const auto one = std::max(place.ttl_ms, min_ttl_ms) + place.lag_ms;
    any = std::max(any, one);
    if (is_listed(place)) listed = std::max(listed, one);
  }
  return listed != 0 ? listed : any;
}

Roster::Freshness Roster::freshness(const Instance& instance, Now now) const {
  if (instance.provisional || instance.gone || instance.record.state == InstanceState::ended) return Freshness::hidden;
  const auto age = now.monotonic_ms - instance.advanced_ms;
  const auto patient_ms = patience(instance);
  if (age <= patient_ms) return Freshness::live;
  return age <= 2 * patient_ms ? Freshness::stale : Freshness::hidden;
}

/// Listed by a backend without lag, which nobody on another machine can write to.
bool Roster::is_here(const Instance& instance) const {
  return std::any_of(instance.places.begin(), instance.places.end(),
                     [this](const Place& place) { return place.lag_ms == 0 && is_listed(place); });
}

/// Our own records never; of our own device only another host that is known to run beside us.
bool Roster::is_shown(const Instance& instance, Freshness fresh) const {
  if (fresh == Freshness::hidden) return false;
  if (!is_own(instance.record)) return true;
  return is_here(instance) && !reader_.instance_id.empty() && instance.record.instance_id != reader_.instance_id;
}

bool Roster::is_local(const SessionEntry& session) const {
  return local_.contains(session.id) || std::any_of(session.lineage.begin(), session.lineage.end(),
                                                    [&](const std::string& id) { return local_.contains(id); });
}

bool Roster::is_on_this_machine(const Instance& instance) const {
  return is_here(instance) || (!reader_.machine.empty() && instance.record.machine == reader_.machine);
}

void Roster::refresh_dialable(Instance& instance) {
  const bool here = is_on_this_machine(instance);
  if (instance.dialable && instance.dialable_here == here) return;
  instance.dialable = std::make_shared<const std::vector<Endpoint>>(dialable(instance.record.endpoints, here));
  instance.dialable_here = here;
  instance.version = ++versions_;
}

std::uint32_t Roster::place_of(std::string_view session_id, IdIndex::Hash hash) const {
  return index_.find(session_id, hash,
                     [this](std::uint32_t place) -> std::string_view { return rows_[place].session_id; });
}

const RemoteSession* Roster::find(std::string_view session_id) const {
  const auto at = place_of(session_id, IdIndex::hash_of(session_id));
  return at == IdIndex::none ? nullptr : &rows_[at];
}

std::optional<RemoteSession> Roster::host_of(std::string_view device_id, Now now) const {
  struct Host {
    const Instance* instance = nullptr;
    std::int64_t used_ms = -1;
  };
  Host best;
  for (const auto& [key, instance] : instances_) {
    const auto& record = instance.record;
    if (record.device_id != device_id || record.state != InstanceState::live) continue;
    const auto fresh = freshness(instance, now);
    if (fresh != Freshness::live || !is_shown(instance, fresh)) continue;
    if (dialable(record.endpoints, is_on_this_machine(instance)).empty()) continue;
    Host one{&instance, 0};
    for (const auto& session : record.sessions) one.used_ms = std::max(one.used_ms, session.updated_at_ms);
    const auto& its_id = record.instance_id;
    if (best.instance == nullptr ||
        std::tie(best.used_ms, best.instance->record.instance_id) < std::tie(one.used_ms, its_id)) {
      best = one;
    }
  }
  if (best.instance == nullptr) return std::nullopt;
  const auto& record = best.instance->record;
  RemoteSession row;
  row.device_id = record.device_id;
  row.device_name = record.device_name;
  row.instance_id = record.instance_id;
  row.dialable = true;
  row.endpoints =
      std::make_shared<const std::vector<Endpoint>>(dialable(record.endpoints, is_on_this_machine(*best.instance)));
  return row;
}

std::int64_t Roster::next_change_ms(Now now) const {
  auto next = std::numeric_limits<std::int64_t>::max();
  for (const auto& [key, instance] : instances_) {
    if (!is_shown(instance, freshness(instance, now))) continue;
    for (const int times : {1, 2}) {
      const auto at = instance.advanced_ms + times * patience(instance) + 1;
      if (at > now.monotonic_ms) next = std::min(next, at);
    }
  }
  return next;
}

std::vector<Clash> Roster::clashes(Now now) const {
  std::vector<Clash> out;
  for (const auto& [key, instance] : instances_) {
    const auto& record = instance.record;
    if (!is_own(record) || record.instance_id == reader_.instance_id || !instance.moved || is_here(instance)) continue;
    if (freshness(instance, now) == Freshness::hidden) continue;
    const bool elsewhere =
        !record.boot.empty() && !reader_.boot.empty() ? record.boot != reader_.boot : record.machine != reader_.machine;
    if (elsewhere) out.push_back({record.instance_id, record.device_name});
  }
  std::sort(out.begin(), out.end(), [](const Clash& a, const Clash& b) { return a.instance_id < b.instance_id; });
  return out;
}

std::vector<Device> Roster::devices(Now now) const {
  std::map<std::string_view, Device> by_id;
  for (const auto& [key, instance] : instances_) {
    const auto fresh = freshness(instance, now);
    if (!is_shown(instance, fresh)) continue;
    auto& device = by_id[instance.record.device_id];
    device.device_id = instance.record.device_id;
    // Of several hosts that name it differently: one that every look chooses again.
    device.device_name = std::max(device.device_name, instance.record.device_name);
    ++device.hosts;
    device.sessions += instance.record.sessions.size();
    device.stale = device.stale && fresh == Freshness::stale;
    device.own = is_own(instance.record);
  }
  std::vector<Device> out;
  out.reserve(by_id.size());
  for (auto& [id, device] : by_id) out.push_back(std::move(device));
  std::stable_sort(out.begin(), out.end(),
                   [](const Device& a, const Device& b) { return a.device_name < b.device_name; });
  return out;
}

std::vector<Record> Roster::own_others(std::string_view backend) const {
  std::vector<Record> out;
  const auto lists = [&](const Place& place) { return is_listed(place) && sources_[place.backend].name == backend; };
  for (const auto& [key, instance] : instances_) {
    const auto& record = instance.record;
    if (is_own(record) && record.instance_id != reader_.instance_id && !reader_.machine.empty() &&
        record.machine == reader_.machine && !is_here(instance) &&
        std::any_of(instance.places.begin(), instance.places.end(), lists)) {
      out.push_back(record);
    }
  }
  return out;
}

bool Roster::unchanged(const Record& record, std::int64_t unchanged_ms, Now now) const {
  const auto it = instances_.find(key_of(record));
  return it != instances_.end() && now.monotonic_ms - it->second.advanced_ms >= unchanged_ms;
}

std::int64_t Roster::patience_ms(const Record& record) const {
  const auto it = instances_.find(key_of(record));
  return it == instances_.end() ? 0 : patience(it->second);
}

}  // namespace lectern::presence
