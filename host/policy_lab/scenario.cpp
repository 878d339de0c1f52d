#include "policy_lab/scenario.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>
#include <utility>

#include "base/json.hpp"
#include "policy_lab/telling.hpp"

namespace lectern::policy_lab {
namespace {

using Words = std::vector<std::string>;

Words words_of(std::string_view text) {
  Words out;
  std::istringstream in{std::string(text)};
  for (std::string word; in >> word;) out.push_back(std::move(word));
  return out;
}

/// "90 s", "5 min", "300 ms", "1 h".
std::optional<std::int64_t> duration(const std::string& number, const std::string& unit) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size() || value < 0 || value > 10'000'000) return {};
  if (unit == "ms") return value;
  if (unit == "s") return value * 1000;
  if (unit == "min") return value * 60'000;
  if (unit == "h") return value * 3'600'000;
  return {};
}

class Player {
 public:
  Player(const Scenario& scenario, plugin::PolicyPtr policy) : scenario_(scenario), rehearsal_(std::move(policy)) {}

  Status seat_everybody() {
    for (const auto& seat : scenario_.room) LECTERN_CHECK(seat_one(seat));
    for (const auto& [from, asked] : requests_) {
      rehearsal_.seat_request(id_of(from), asked.empty() ? 0 : id_of(asked));
    }
    // A room that begins empty begins as a live one does.
    if (scenario_.room.empty()) (void)rehearsal_.install({});
    return {};
  }

  Result<Told> take(const Step& step) {
    Told told;
    told.line = step.line;
    told.when = step.when;
    told.before = situation(rehearsal_.room().snapshot(rehearsal_.now_ms()), names_);
    auto moments = happen(step.when);
    if (!moments) {
      auto error = std::move(moments).error();
      if (error.code == "impossible") error.message = words_of(step.when)[0] + " " + error.message;
      return wrong_step(step, error.message);
    }
    std::vector<std::string> plain;
    for (const auto& moment : *moments) {
      for (const auto& fact : moment.facts) {
        plain.push_back(sentence(fact, names_));
        told.decided.push_back(full_sentence(fact, names_, moment.room.now_ms));
      }
    }
    if (step.says) compare(step.then, plain, told.wrong);
    for (const auto& expected : step.now) LECTERN_CHECK(check_now(step, expected, told.wrong));
    return told;
  }

 private:
  tl::unexpected<Error> wrong_step(const Step& step, const std::string& why) const {
    return fail(400, "bad_scenario", "line " + std::to_string(step.line) + ": \"" + step.when + "\": " + why,
                "docs/policy-scenarios.md tells the grammar");
  }

  MemberId id_of(const std::string& name) {
    const auto found = ids_.find(name);
    if (found != ids_.end()) return found->second;
    const auto id = ids_.size() + 1;
    ids_[name] = id;
    names_.set(id, name);
    return id;
  }

  session::Member member_of(const std::string& name) {
    const auto found = scenario_.people.find(name);
    Person person;
    person.label = name;
    if (found != scenario_.people.end()) person = found->second;
    session::Member member;
    member.id = id_of(name);
    member.client_id = name;
    member.label = person.label;
    member.device = person.device;
    member.principal = person.principal;
    member.scope = person.scope;
    member.flags = person.flags;
    return member;
  }

  /// "edits, lost", "interacts, asks ada", "edits, edited 5 s ago"
  Status seat_one(const Seat& seat) {
    auto member = member_of(seat.name);
    bool edits = false;
    std::istringstream parts(seat.words);
    for (std::string part; std::getline(parts, part, ',');) {
      const auto words = words_of(part);
      const auto unknown = [&] {
        return fail(400, "bad_scenario",
                    "line " + std::to_string(scenario_.line) + ": room." + seat.name + ": what is \"" + part + "\"?",
                    "say edits, interacts or watches; lost; asks or asks NAME; edited 5 s ago");
      };
      if (words.empty()) return unknown();
      if (words[0] == "edits" && words.size() == 1) {
        edits = true;
      } else if (words[0] == "interacts" && words.size() == 1) {
        member.caps = plugin::cap_interact;
      } else if (words[0] == "watches" && words.size() == 1) {
        member.caps = 0;
      } else if (words[0] == "lost" && words.size() == 1) {
        member.presence = plugin::Presence::lost;
      } else if (words[0] == "asks" && words.size() <= 2) {
        requests_.emplace_back(seat.name, words.size() == 2 ? words[1] : std::string());
      } else if (words[0] == "edited" && words.size() == 4 && words[3] == "ago" && duration(words[1], words[2])) {
        member.edited_ms = rehearsal_.now_ms() - *duration(words[1], words[2]);
      } else {
        return unknown();
      }
    }
    rehearsal_.seat(std::move(member), edits);
    return {};
  }

  Result<Moments> happen(const std::string& when) {
    const auto words = words_of(when);
    if (words.size() >= 3 && words.back().starts_with("pass")) {
      const auto ms = duration(words[0], words[1]);
      if (ms && words.size() == 3) return rehearsal_.pass(*ms);
    }
    if (when.starts_with("the policy replaces ") && words.size() == 4) return rehearsal_.install(words[3]);
    if (when == "the policy is installed") return rehearsal_.install({});
    if (words.size() < 2) return fail(400, "bad_scenario", "what happens?");
    if (const auto scope = when.find("'s scope becomes "); scope != std::string::npos) {
      return change_scope(when.substr(0, scope), words.back());
    }
    const auto& name = words[0];
    const auto rest = when.substr(name.size() + 1);
    if (rest == "joins") return rehearsal_.join(member_of(name));
    if (ids_.find(name) == ids_.end()) return fail(400, "bad_scenario", name + " has not joined");
    return done_by(id_of(name), words, rest);
  }

  Result<Moments> change_scope(const std::string& name, const std::string& scope) {
    if (ids_.find(name) == ids_.end()) return fail(400, "bad_scenario", name + " has not joined");
    if (scope == "view") return rehearsal_.change(id_of(name), 0);
    if (scope == "interact") return rehearsal_.change(id_of(name), plugin::cap_interact);
    if (scope == "edit") return rehearsal_.change(id_of(name), plugin::cap_edit | plugin::cap_interact);
    return fail(400, "bad_scenario", "a scope is view, interact or edit, not \"" + scope + "\"");
  }

  Result<Moments> done_by(MemberId who, const Words& words, const std::string& rest) {
    const auto& verb = words[1];
    if (rest == "leaves") return rehearsal_.leave(who);
    if (rest == "is lost") return rehearsal_.lose(who);
    if (rest == "returns") return rehearsal_.come_back(who);
    if (rest == "asks for the pen") return rehearsal_.request(who);
    if (rest == "withdraws") return rehearsal_.withdraw(who);
    if (rest == "releases the pen") return rehearsal_.release(who);
    if (rest == "edits") return rehearsal_.edit(who);
    if ((verb == "agrees" || verb == "refuses") && (words.size() == 2 || (words.size() == 4 && words[2] == "to"))) {
      return rehearsal_.answer(who, verb == "agrees", words.size() == 4 ? id_of(words[3]) : 0);
    }
    if (verb == "uses" && words.size() == 3) return rehearsal_.act(who, words[2], 0, {});
    if (verb == "uses" && words.size() == 5 && words[3] == "on") {
      return rehearsal_.act(who, words[2], id_of(words[4]), {});
    }
    return fail(400, "bad_scenario",
                "not understood; people join, leave, are lost, return, edit, ask for the pen, withdraw, agree, refuse, "
                "release the pen, or use an action");
  }

  /// Exact words first, so that a short expectation does not use up what a longer one needs.
  static void compare(const std::vector<std::string>& expected, std::vector<std::string> told,
                      std::vector<std::string>& wrong) {
    std::vector<std::string> left;
    for (const auto& one : expected) {
      const auto found = std::find(told.begin(), told.end(), one);
      found == told.end() ? left.push_back(one) : (void)told.erase(found);
    }
    for (const auto& one : left) {
      const auto found =
          std::find_if(told.begin(), told.end(), [&one](const std::string& fact) { return fits(one, fact); });
      found == told.end() ? wrong.push_back("expected, and it did not happen: " + one) : (void)told.erase(found);
    }
    for (const auto& one : told) wrong.push_back("happened, and was not expected: " + one);
  }

  Status check_now(const Step& step, const std::string& expected, std::vector<std::string>& wrong) {
    const auto& room = rehearsal_.room();
    if (expected == "the pen is free") {
      if (room.grants() != 0) wrong.push_back("now \"" + expected + "\": it is not");
      return {};
    }
    const auto words = words_of(expected);
    static const std::map<std::string, std::string> roles = {
        {"edits", "editor"}, {"interacts", "interactor"}, {"watches", "viewer"}};
    if (words.size() != 2 || roles.count(words[1]) == 0 || ids_.find(words[0]) == ids_.end()) {
      return wrong_step(step, "now: say \"NAME edits\", \"NAME interacts\", \"NAME watches\" or \"the pen is free\"");
    }
    const auto* member = room.find(ids_.at(words[0]));
    const auto role = member == nullptr ? std::string("not there") : std::string(session::role_name(*member));
    if (role != roles.at(words[1])) wrong.push_back("now \"" + expected + "\": " + words[0] + " is " + role);
    return {};
  }

  const Scenario& scenario_;
  Rehearsal rehearsal_;
  Names names_;
  std::map<std::string, MemberId> ids_;
  std::vector<std::pair<std::string, std::string>> requests_;
};

}  // namespace

Result<Outcome> play(const Scenario& scenario, plugin::PolicyPtr policy, bool to_the_end) {
  Player player(scenario, std::move(policy));
  LECTERN_CHECK(player.seat_everybody());
  Outcome out;
  out.name = scenario.name;
  out.line = scenario.line;
  for (const auto& step : scenario.steps) {
    LECTERN_TRY(auto told, player.take(step));
    const bool right = told.wrong.empty();
    out.steps.push_back(std::move(told));
    if (!right && !to_the_end) break;
  }
  return out;
}

}  // namespace lectern::policy_lab
