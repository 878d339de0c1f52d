// From what is known to the rows.
#include <algorithm>
#include <iterator>
#include <limits>
#include <tuple>
#include <utility>

#include "presence/roster.hpp"

namespace lectern::presence {
namespace {

constexpr std::int64_t settle_ms = 10'000;  // a row moves up only when it is so much newer than where it stands
constexpr std::size_t max_claims = 100'000;

}  // namespace

/// Where a session stands in time. It moves when it was used again, and that a good deal later: two that are busy at
/// once do not change places with every beat. A clock that runs ahead must not hold the top for years.
std::int64_t Roster::rank_of(const Candidate& candidate, Now now) const {
  const auto used_ms = std::min(candidate.session->updated_at_ms, now.wall_ms);
  if (candidate.place == IdIndex::none) return used_ms;
  const auto stands_ms = standings_[candidate.place].rank_ms;
  if (candidate.same || rows_[candidate.place].updated_at_ms == candidate.session->updated_at_ms) return stands_ms;
  return used_ms - stands_ms >= settle_ms || stands_ms - used_ms >= settle_ms ? used_ms : stands_ms;
}

/// Adds what an instance claims; as it is shown now, which the time may change.
void Roster::claim(Instance& instance, Now now, std::vector<Candidate>& all) {
  const auto fresh = freshness(instance, now);
  if (!is_shown(instance, fresh)) return;
  const auto patient_ms = patience(instance);
  for (const auto after_ms : {patient_ms * 2 / 3, patient_ms, patient_ms * 2}) {
    const auto at = instance.advanced_ms + after_ms + 1;
    if (at > now.monotonic_ms) changes_ms_ = std::min(changes_ms_, at);
  }
  refresh_dialable(instance);
  if (instance.dialable->empty()) return;
  // Not stale yet, but no match for one who speaks.
  const bool silent = now.monotonic_ms - instance.advanced_ms > patient_ms * 2 / 3;
  for (const auto& session : instance.record.sessions) {
    if (all.size() > max_claims) return;
    if (is_local(session)) continue;
    all.push_back({&instance, &session, instance.version, fresh == Freshness::stale, silent});
    all.back().hash = IdIndex::hash_of(session.id);
  }
}

std::vector<Roster::Candidate> Roster::claims(Now now) {
  std::vector<Candidate> all(1);  // 0 is nobody
  all.reserve(rows_.size() + 2);
  changes_ms_ = std::numeric_limits<std::int64_t>::max();
  for (auto& [key, instance] : instances_) {
    instance.has_rivals = false;
    claim(instance, now, all);
  }
  return all;
}

/// Of several that claim a session. On one device: live before stale, then the instance that advanced last. Of several
/// devices: live before stale, then one that speaks before one that is silent, then the smaller id: not who spoke last,
/// or two that both beat would change places for ever, and each reader would see another one.
Roster::Candidate Roster::settle(std::vector<Candidate>& all, const Candidate& first) {
  std::vector<Candidate> rivals;
  for (const auto* one = &first; one != nullptr; one = one->next == 0 ? nullptr : &all[one->next]) {
    rivals.push_back(*one);
  }
  std::sort(rivals.begin(), rivals.end(), [](const Candidate& a, const Candidate& b) {
    const auto& x = *a.instance;
    const auto& y = *b.instance;
    return std::tie(x.record.device_id, a.stale, y.advanced_ms, x.record.instance_id) <
           std::tie(y.record.device_id, b.stale, x.advanced_ms, y.record.instance_id);
  });
  const auto same_device = [](const Candidate& a, const Candidate& b) {
    return a.instance->record.device_id == b.instance->record.device_id;
  };
  rivals.erase(std::unique(rivals.begin(), rivals.end(), same_device), rivals.end());
  auto best = *std::min_element(rivals.begin(), rivals.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.stale, a.silent, a.instance->record.device_id) <
           std::tie(b.stale, b.silent, b.instance->record.device_id);
  });
  best.contested = std::count_if(rivals.begin(), rivals.end(), [](const Candidate& one) { return !one.stale; }) > 1;
  return best;
}

void Roster::place(Candidate& candidate, Now now) const {
  candidate.place = place_of(candidate.session->id, candidate.hash);
  candidate.same = is_same(candidate);
  candidate.rank_ms = rank_of(candidate, now);
}

std::vector<Roster::Candidate> Roster::derive(Now now) {
  auto all = claims(now);
  claims_ = all.size() - 1;
  const auto id_at = [&all](std::uint32_t place) -> std::string_view { return all[place].session->id; };
  claimed_.reset(all.size());
  std::vector<std::uint32_t> first;
  first.reserve(all.size());
  for (std::uint32_t i = 1; i < all.size(); ++i) {
    const auto [at, added] = claimed_.add(all[i].session->id, all[i].hash, i, id_at);
    if (added) {
      first.push_back(i);
    } else {
      all[i].next = std::exchange(all[at].next, i);
    }
  }
  std::vector<Candidate> chosen;
  chosen.reserve(first.size());
  for (const auto at : first) {
    for (auto i = all[at].next == 0 ? 0 : at; i != 0; i = all[i].next) all[i].instance->has_rivals = true;
    chosen.push_back(all[at].next == 0 ? all[at] : settle(all, all[at]));
    place(chosen.back(), now);
  }
  return in_order(std::move(chosen));
}

/// The same where nothing but `changed_` has: the rows of all others stand. Nothing when it is to be found out anew who
/// wins a session.
std::optional<std::vector<Roster::Candidate>> Roster::derive_changed(Now now) {
  std::sort(changed_.begin(), changed_.end());
  changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
  const auto has_rivals = [](const Instance* one) { return one->has_rivals; };
  if (std::any_of(changed_.begin(), changed_.end(), has_rivals)) return std::nullopt;
  std::vector<Candidate> fresh, chosen;
  for (auto* const instance : changed_) claim(*instance, now, fresh);
  const auto id_at = [&fresh](std::uint32_t place) -> std::string_view { return fresh[place].session->id; };
  claimed_.reset(fresh.size());
  chosen.reserve(rows_.size() + fresh.size());
  for (std::uint32_t i = 0; i < fresh.size(); ++i) {
    auto& one = fresh[i];
    place(one, now);
    const bool added = claimed_.add(one.session->id, one.hash, i, id_at).second;
    if (!added || (one.place != IdIndex::none && standings_[one.place].instance != one.instance)) return std::nullopt;
    chosen.push_back(one);
  }
  for (std::uint32_t i = 0; i < rows_.size(); ++i) {
    const auto& stands = standings_[i];
    if (std::binary_search(changed_.begin(), changed_.end(), stands.instance)) {
      --claims_;
    } else {
      chosen.push_back({stands.instance, stands.session, stands.version});
      auto& one = chosen.back();
      one.hash = stands.hash;
      one.place = i;
      one.same = true;
      one.rank_ms = stands.rank_ms;
    }
  }
  claims_ += fresh.size();
  if (claims_ >= max_claims) return std::nullopt;
  return in_order(std::move(chosen));
}

/// Rows that stay what they were stand in order already: only the others are sorted.
std::vector<Roster::Candidate> Roster::in_order(std::vector<Candidate> chosen) const {
  const auto before = [](const Candidate& a, const Candidate& b) {
    return std::tie(b.rank_ms, a.instance->record.device_id, a.session->id) <
           std::tie(a.rank_ms, b.instance->record.device_id, b.session->id);
  };
  std::vector<std::uint32_t> standing(rows_.size(), IdIndex::none);
  std::vector<Candidate> stay, move, out;
  for (std::uint32_t i = 0; i < chosen.size(); ++i) {
    const auto& one = chosen[i];
    if (one.same && one.rank_ms == standings_[one.place].rank_ms) {
      standing[one.place] = i;
    } else {
      move.push_back(one);
    }
  }
  stay.reserve(chosen.size() - move.size());
  for (const auto i : standing) {
    if (i != IdIndex::none) stay.push_back(chosen[i]);
  }
  if (move.empty()) return stay;
  std::sort(move.begin(), move.end(), before);
  if (stay.empty()) return move;
  out.reserve(chosen.size());
  std::merge(stay.begin(), stay.end(), move.begin(), move.end(), std::back_inserter(out), before);
  return out;
}

bool Roster::is_same(const Candidate& candidate) const {
  if (candidate.place == IdIndex::none) return false;
  const auto& row = rows_[candidate.place];
  if (row.stale != candidate.stale || row.contested != candidate.contested) return false;
  const auto& stands = standings_[candidate.place];
  if (stands.version == candidate.version && stands.session == candidate.session) return true;
  const auto& record = candidate.instance->record;
  const auto& session = *candidate.session;
  return row.instance_id == record.instance_id && row.device_id == record.device_id &&
         row.device_name == record.device_name && row.title == session.title && row.status == session.status &&
         row.needs_input == session.needs_input && row.updated_at_ms == session.updated_at_ms &&
         (row.endpoints == candidate.instance->dialable || *row.endpoints == *candidate.instance->dialable);
}

RemoteSession Roster::make_row(const Candidate& candidate) {
  const auto& record = candidate.instance->record;
  const auto& session = *candidate.session;
  RemoteSession row;
  row.session_id = session.id;
  row.device_id = record.device_id;
  row.device_name = record.device_name;
  row.title = session.title;
  row.status = session.status;
  row.needs_input = session.needs_input;
  row.dialable = true;
  row.stale = candidate.stale;
  row.contested = candidate.contested;
  row.updated_at_ms = session.updated_at_ms;
  row.instance_id = record.instance_id;
  row.endpoints = candidate.instance->dialable;
  return row;
}

bool Roster::refresh(Now now) {
  mind_gap(now);
  const bool all = dirty_ || now.monotonic_ms >= changes_ms_;
  if (!all && changed_.empty()) return false;
  auto changed_alone = all || claims_ >= max_claims ? std::nullopt : derive_changed(now);
  const auto chosen = changed_alone ? std::move(*changed_alone) : derive(now);
  dirty_ = false;
  changed_.clear();
  bool changed = chosen.size() != rows_.size();
  standings_.resize(chosen.size());
  for (std::uint32_t i = 0; i < chosen.size(); ++i) {
    const auto& one = chosen[i];
    changed = changed || !one.same || one.place != i;
    standings_[i] = {one.rank_ms, one.version, one.instance, one.session, one.hash};
  }
  if (!changed) return false;
  std::vector<RemoteSession> rows;
  rows.reserve(chosen.size());
  for (const auto& one : chosen) rows.push_back(one.same ? std::move(rows_[one.place]) : make_row(one));
  rows_ = std::move(rows);
  index_.reset(rows_.size());
  const auto id_at = [this](std::uint32_t place) -> std::string_view { return rows_[place].session_id; };
  for (std::uint32_t i = 0; i < rows_.size(); ++i) index_.add(rows_[i].session_id, chosen[i].hash, i, id_at);
  ++revision_;
  return true;
}

}  // namespace lectern::presence
