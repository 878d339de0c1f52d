// What this device knows of the live sessions of others: validation, freshness, dedupe, exclusion, order, lookup. Pure:
// no clock, no disk, no thread; time comes with every call. Freshness never compares clocks of two machines: a record
// is as fresh as the last moment on OUR monotonic clock at which we saw its (instance, seq) advance.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "presence/by_origin.hpp"
#include "presence/id_index.hpp"
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
  bool stale = false;      // not renewed in time; goes away if that lasts
  bool contested = false;  // more than one device says that it lives there
  std::int64_t updated_at_ms = 0;
  std::string instance_id;
  std::shared_ptr<const std::vector<Endpoint>>
      endpoints;  // those this reader may dial, best first; never null in a row
  bool operator==(const RemoteSession& other) const;
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

/// Who reads. `instance_id`: of this run of the host; `boot`: boot_hash().
struct Reader {
  std::string device_id, machine, instance_id = {}, boot = {};
  std::size_t max_hosts = 20'000;  // remembered at once
};

/// Somebody else who writes under our own device id: a copied disk, or one state folder on two machines.
struct Clash {
  std::string instance_id, device_name;
  bool operator==(const Clash&) const = default;
};

/// A device that was heard of, with or without sessions.
struct Device {
  std::string device_id, device_name;
  std::size_t hosts = 0, sessions = 0;
  bool stale = true;  // no host of it was heard of in time
  bool own = false;   // other hosts of our own device
};

class Roster {
 public:
  explicit Roster(Reader reader);

  /// Takes a whole snapshot of one backend. What is missing from it is not forgotten at once but ages out; unless
  /// `lag_ms`, which is how long that backend takes to carry a record, is 0: then it has ended. A record with a lower
  /// seq than known of its instance is ignored.
  void observe(const std::string& backend, const std::vector<FoundRecord>& records, std::int64_t lag_ms, Now now);
  /// Sessions here, live or attached: rows of the same session, or of its lineage, are hidden.
  void set_local(std::vector<LocalSession> local);

  /// Recomputes the rows; true when they differ from before (then revision() has risen).
  bool refresh(Now now);
  /// Newest first, as of the last refresh; two that were used at about the same time keep their order.
  [[nodiscard]] const std::vector<RemoteSession>& rows() const { return rows_; }
  /// The row of that session, null when there is none. O(1). Valid until the next refresh.
  [[nodiscard]] const RemoteSession* find(std::string_view session_id) const;
  /// Where that device is reached, as a row without a session: of its live hosts that may be dialled the one that was
  /// used last. Empty when there is none.
  [[nodiscard]] std::optional<RemoteSession> host_of(std::string_view device_id, Now now) const;
  [[nodiscard]] std::uint64_t revision() const { return revision_; }
  /// When the rows may change by time alone, on the monotonic clock; max when never.
  [[nodiscard]] std::int64_t next_change_ms(Now now) const;

  /// Records of the last snapshots that could not be used, and why.
  [[nodiscard]] const std::vector<Rejected>& rejected() const { return rejected_; }
  [[nodiscard]] std::vector<Clash> clashes(Now now) const;
  /// By name, then id; those whose records are live or stale now.
  [[nodiscard]] std::vector<Device> devices(Now now) const;
  /// Records of our own device, from this machine, of other instances, that `backend` lists now and none without lag
  /// does: leftovers there, unless their process still runs.
  [[nodiscard]] std::vector<Record> own_others(std::string_view backend) const;
  /// True when the record of that instance has not advanced for `unchanged_ms`.
  [[nodiscard]] bool unchanged(const Record& record, std::int64_t unchanged_ms, Now now) const;
  /// How long a record of that instance counts as live without advancing; 0 when it is unknown.
  [[nodiscard]] std::int64_t patience_ms(const Record& record) const;

 private:
  enum class Freshness { hidden, live, stale };
  /// What one backend says of an instance.
  struct Place {
    std::uint32_t backend = 0;
    std::int64_t lag_ms = 0, ttl_ms = 0;
    std::uint64_t round = 0;  // of the last snapshot that had it
  };
  struct Instance {
    Record record;
    std::int64_t advanced_ms = 0;  // monotonic, when seq last rose
    std::int64_t seen_ms = 0;      // monotonic, when it was last in a snapshot
    bool provisional = false;      // seen at one seq only, and by its own words too old to be believed
    bool moved = false;            // its seq rose while we watched
    bool gone = false;             // a backend without lag does not list it any more
    std::vector<Place> places;
    bool dialable_here = false;  // for what `dialable` was made
    std::shared_ptr<const std::vector<Endpoint>> dialable;
    std::uint64_t version = 0;  // of what rows are made of here; none is used twice
    bool has_rivals = false;    // when all was derived last, another claimed a session of it
  };
  struct Candidate {
    Instance* instance = nullptr;
    const SessionEntry* session = nullptr;
    std::uint64_t version = 0;  // of the instance
    bool stale = false, silent = false, contested = false;
    std::uint32_t next = 0;  // the next that claims this session, in an array from 1
    IdIndex::Hash hash = 0;
    std::uint32_t place = IdIndex::none;  // of its row as it stands
    bool same = false;                    // that row is what it would be made anew
    std::int64_t rank_ms = 0;
  };
  /// What a row was made of, and where it stands.
  struct Standing {
    std::int64_t rank_ms = 0;
    std::uint64_t version = 0;
    Instance* instance = nullptr;           // both good while `version` is that of the instance,
    const SessionEntry* session = nullptr;  // and erased_ what it was; else compared only
    IdIndex::Hash hash = 0;
  };
  /// A text that was parsed before, told by its hash; `key` is empty when it was rejected.
  struct Known {
    std::string origin;
    std::size_t hash = 0, size = 0;
    bool read = false;
    std::string key, reason;
    Instance* instance = nullptr;  // that of `key`; good while erased_ is `erased`
    std::uint64_t erased = 0;
  };

  [[nodiscard]] bool is_listed(const Place& place) const { return place.round == sources_[place.backend].round; }
  [[nodiscard]] std::int64_t patience(const Instance& instance) const;
  [[nodiscard]] Freshness freshness(const Instance& instance, Now now) const;
  [[nodiscard]] bool is_here(const Instance& instance) const;
  [[nodiscard]] bool is_same(const Candidate& candidate) const;
  [[nodiscard]] static RemoteSession make_row(const Candidate& candidate);
  [[nodiscard]] bool is_own(const Record& record) const { return record.device_id == reader_.device_id; }
  [[nodiscard]] bool is_shown(const Instance& instance, Freshness fresh) const;
  [[nodiscard]] bool is_local(const SessionEntry& session) const;
  [[nodiscard]] std::uint32_t place_of(std::string_view session_id, IdIndex::Hash hash) const;
  [[nodiscard]] std::int64_t rank_of(const Candidate& candidate, Now now) const;
  void claim(Instance& instance, Now now, std::vector<Candidate>& all);
  [[nodiscard]] std::vector<Candidate> claims(Now now);
  void place(Candidate& candidate, Now now) const;
  static Candidate settle(std::vector<Candidate>& all, const Candidate& first);
  [[nodiscard]] std::vector<Candidate> derive(Now now);
  [[nodiscard]] std::optional<std::vector<Candidate>> derive_changed(Now now);
  [[nodiscard]] std::vector<Candidate> in_order(std::vector<Candidate> chosen) const;
  [[nodiscard]] bool is_on_this_machine(const Instance& instance) const;
  void refresh_dialable(Instance& instance);
  Instance* instance_of(Known& known);
  bool take(Record record, std::int64_t lag_ms, Now now);
  void touch(Instance& instance, std::uint32_t backend, std::int64_t lag_ms, std::int64_t ttl_ms, Now now);
  std::uint32_t index_of(const std::string& backend);
  void mind_gap(Now now);
  void forget(std::size_t coming, Now now);
  void gather_rejected();

  Reader reader_;
  std::unordered_map<std::string, Instance> instances_;  // by device_id/instance_id
  std::unordered_set<std::string> local_;
  struct Source {
    std::string name;
    ByOrigin<Known> known;
    std::vector<Rejected> rejected;
    std::uint64_t round = 0;
    std::size_t listed = 0;  // instances in that round
  };
  std::vector<Source> sources_;
  std::vector<Rejected> rejected_;
  std::vector<RemoteSession> rows_;
  std::vector<Standing> standings_;  // of rows_
  IdIndex index_, claimed_;          // of rows_; what derive() works with
  std::uint64_t versions_ = 0;
  std::uint64_t revision_ = 0;
  std::int64_t looked_ms_ = -1;  // monotonic, of the last call that looked
  // Since the last refresh anything that rows are made of may have changed, or will have by then; else at most what is
  // in these instances' records.
  bool dirty_ = true;
  std::int64_t changes_ms_ = 0;
  std::vector<Instance*> changed_;
  std::size_t claims_ = 0;       // on sessions, by those that are shown
  std::uint64_t erased_ = 0;     // how often instances were forgotten: pointers to them hold as long as it stays
  std::int64_t forgot_ms_ = -1;  // monotonic
};

}  // namespace lectern::presence
