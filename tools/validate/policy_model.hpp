// A room as the host keeps it, small enough to be copied a hundred thousand times: what a policy is checked against.
// The rules are those of docs/policies.md; time moves only when a step says so.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugin/effect_plan.hpp"
#include "plugin/policy.hpp"

namespace lectern::validate {

/// One of the people of a model.
struct Person {
  std::string name;
  std::uint32_t scope = plugin::cap_edit | plugin::cap_interact;
  std::uint32_t flags = 0;  // plugin::member_*
};

/// Something that happens to a room.
struct Step {
  enum class What : std::uint8_t {
    join,
    leave,
    lose,  // the connection is cut without a word
    come_back,
    narrow,  // comes back with a link that does not allow editing
    widen,   // comes back with the own link again
    ask,
    withdraw,
    agree,  // answers the oldest ask put to it
    refuse,
    release,
    edit,
    wait,       // until the next thing that is due, else a minute
    act,        // uses verb number `extra`
    reinstall,  // the policy is put in its own place
  };
  What what = What::join;
  std::uint8_t who = 0;  // index of a person
  std::uint8_t extra = 0;
  bool operator==(const Step&) const = default;
};

/// What is wrong, and what the author can do about it.
struct Violation {
  std::string rule;  // short and stable: two violations of one rule are the same fault
  std::string what, fix;
};

/// The policy under test, twice: the second one has another past, so a memory shows.
struct Judges {
  plugin::PolicyPtr first, second;
  std::vector<std::string> verbs;  // of actions_json
};

class Model {
 public:
  /// An empty room into which the policy was just installed; install() does it.
  Model(const Judges& judges, const std::vector<Person>& people);

  /// The first event of every room.
  std::optional<Violation> install();
  [[nodiscard]] bool can(const Step& step) const;
  /// Does it, and everything that follows from it. Must be possible.
  std::optional<Violation> apply(const Step& step);
  /// Every step that is possible now.
  [[nodiscard]] std::vector<Step> possible() const;

  /// Lets time run and nothing else happen until nobody waits for an answer.
  std::optional<Violation> let_requests_end();
  /// Everybody leaves, time passes, everybody comes back and asks; all who are asked agree. Tells whether somebody
  /// then has the pen, in `somebody`.
  std::optional<Violation> leave_and_return(bool& somebody);

  [[nodiscard]] std::size_t grants() const;
  /// Equal texts: no policy could tell the rooms apart, but for when it was and how high the numbers are.
  [[nodiscard]] std::string key() const;
  [[nodiscard]] std::string describe(const Step& step) const;
  /// What the last step led to, in words, one event after the other.
  [[nodiscard]] const std::vector<std::string>& told() const { return told_; }
  void keep_telling(bool on) { telling_ = on; }

 private:
  using Member = plugin::Member;
  struct Request : plugin::Request {
    bool answered = false;
  };
  class Seen;

  [[nodiscard]] std::uint64_t id_of(std::size_t person) const { return person + 1; }
  [[nodiscard]] std::string name_of(std::uint64_t id) const;
  [[nodiscard]] Member* member(std::uint64_t id);
  [[nodiscard]] const Member* member(std::uint64_t id) const;
  [[nodiscard]] Request* request(std::uint64_t id);
  [[nodiscard]] static bool may_edit(const Member& one);
  [[nodiscard]] std::uint64_t holder() const;
  [[nodiscard]] plugin::RoomSnapshot snapshot() const;
  [[nodiscard]] const Request* put_to(std::uint64_t id) const;
  [[nodiscard]] const Request* asked_by(std::uint64_t id) const;
  [[nodiscard]] std::int64_t next_due() const;

  void push(plugin::EventKind kind, std::uint64_t who, std::uint64_t request = 0, std::uint64_t target = 0);
  void revoke(Member& one, std::uint32_t keeps);
  void release(Member& one);
  void leave(std::uint64_t id);
  void lose(Member& one);
  void come_back(Member& one, std::uint32_t scope);
  void cannot_answer(std::uint64_t id);
  void wait();

  std::optional<Violation> drain();
  bool prepare(plugin::PolicyEvent& event);
  std::optional<Violation> decide(const plugin::PolicyEvent& event);
  std::optional<Violation> apply_effects(const std::vector<plugin::Effect>& effects, const plugin::PolicyEvent& event);
  [[nodiscard]] Violation refused(const plugin::EffectRefusal& refusal, const plugin::PolicyEvent& event) const;
  std::optional<Violation> aftermath(const plugin::PolicyEvent& event, const std::vector<plugin::Effect>& effects);
  [[nodiscard]] std::string in_words(const plugin::PolicyEvent& event) const;
  [[nodiscard]] std::string in_words(const plugin::Effect& effect) const;

  const Judges* judges_;
  const std::vector<Person>* people_;
  std::vector<Member> members_;    // sorted by id
  std::vector<Request> requests_;  // sorted by id
  std::map<std::uint64_t, std::int64_t> timers_;
  std::deque<plugin::PolicyEvent> queue_;
  std::string state_, shown_;
  std::uint64_t epoch_ = 0, version_ = 1, seq_ = 0, next_request_ = 1;
  std::int64_t now_ = 1'000'000, since_ = 0;
  bool telling_ = false;
  std::vector<std::string> told_;
};

/// "set_caps 2 interact" and the like, with ids.
std::string effect_text(const plugin::Effect& effect);

}  // namespace lectern::validate
