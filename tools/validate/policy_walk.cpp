#include "policy_walk.hpp"

#include <algorithm>
#include <deque>
#include <random>
#include <unordered_set>

#include "test.hpp"

namespace lectern::validate {

namespace {

using Clock = std::chrono::steady_clock;

std::string short_words(const Model& model, const std::vector<Step>& steps) {
  std::string out;
  const std::size_t from = steps.size() > 40 ? steps.size() - 40 : 0;
  if (from != 0) out = "… ";
  for (std::size_t i = from; i < steps.size(); ++i) out += (i == from ? "" : "; ") + model.describe(steps[i]);
  return out;
}

/// Says what happens now, for the case that the policy crashes or hangs in it.
void announce(const Model& model, const std::vector<Step>& steps) {
  doing("decide after: " + short_words(model, steps));
}

std::optional<Violation> run_ending(Model& model, Ending ending, bool pen_can_be_had) {
  if (ending == Ending::requests_end) return model.let_requests_end();
  if (ending == Ending::none) return std::nullopt;
  bool somebody = false;
  if (auto wrong = model.leave_and_return(somebody)) return wrong;
  if (somebody || !pen_can_be_had) return std::nullopt;
  return Violation{"lost-pen",
                   "everybody left, came back, asked, and all who were asked agreed, yet nobody gets the pen any more",
                   "What the state says about people who are gone must not outlive them: drop it on left."};
}

/// Goes the steps, leaving out those that are not possible. The violation, when there is one, and how far it went.
std::optional<Violation> replay(const Judges& judges, const std::vector<Person>& people, const std::vector<Step>& steps,
                                Ending ending, std::vector<Step>& gone) {
  Model model(judges, people);
  gone.clear();
  if (auto wrong = model.install()) return wrong;
  for (const Step& step : steps) {
    if (!model.can(step)) continue;
    gone.push_back(step);
    if (auto wrong = model.apply(step)) return wrong;
  }
  return run_ending(model, ending, true);
}

/// Takes out what is not needed for the same fault.
Failure shortened(const Judges& judges, const std::vector<Person>& people, Failure failure) {
  const Until until = Clock::now() + std::chrono::seconds(3);
  std::vector<Step> gone;
  for (std::size_t chunk = std::max<std::size_t>(failure.steps.size() / 2, 1); Clock::now() < until;) {
    bool shorter = false;
    for (std::size_t at = 0; at < failure.steps.size() && Clock::now() < until;) {
      std::vector<Step> tried = failure.steps;
      const auto from = tried.begin() + static_cast<std::ptrdiff_t>(at);
      tried.erase(from, from + static_cast<std::ptrdiff_t>(std::min(chunk, tried.size() - at)));
      const auto wrong = replay(judges, people, tried, failure.ending, gone);
      if (wrong && wrong->rule == failure.violation.rule) {
        failure.steps = gone;
        failure.violation = *wrong;
        shorter = true;
      } else {
        at += chunk;
      }
    }
    if (!shorter && chunk == 1) break;
    if (!shorter) chunk = std::max<std::size_t>(chunk / 2, 1);
  }
  return failure;
}

struct Node {
  Model model;
  std::vector<Step> steps;
};

bool baseline(const Judges& judges, const std::vector<Person>& people) {
  doing("decide while everybody joins an empty room and asks for the pen in turn");
  Model model(judges, people);
  if (model.install()) return true;
  bool somebody = false;
  return model.leave_and_return(somebody) || somebody;
}

}  // namespace

Explored explore(const Judges& judges, const std::vector<Person>& people, int depth, std::size_t most_states,
                 Until until) {
  Explored result;
  result.pen_can_be_had = baseline(judges, people);
  std::unordered_set<std::string> known;
  std::deque<Node> open;
  Model first(judges, people);
  doing("decide on \"installed\" in an empty room");
  if (auto wrong = first.install()) {
    result.failure = Failure{{}, Ending::none, *wrong};
    return result;
  }
  known.insert(first.key());
  open.push_back({first, {}});
  while (!open.empty()) {
    Node node = std::move(open.front());
    open.pop_front();
    const auto here = static_cast<int>(node.steps.size());
    if (here == depth || Clock::now() >= until) break;
    result.depth = here;
    for (const Step& step : node.model.possible()) {
      Node next = node;
      next.steps.push_back(step);
      announce(node.model, next.steps);
      ++result.steps;
      if (auto wrong = next.model.apply(step)) {
        result.failure = Failure{next.steps, Ending::none, *wrong};
        return result;
      }
      if (!known.insert(next.model.key()).second) continue;
      for (const Ending ending : {Ending::requests_end, Ending::leave_and_return}) {
        Model copy = next.model;
        if (auto wrong = run_ending(copy, ending, result.pen_can_be_had)) {
          result.failure = Failure{next.steps, ending, *wrong};
          return result;
        }
      }
      if (known.size() < most_states) open.push_back(std::move(next));
    }
    // Nodes come in the order of their length: the next one longer means that this length is done.
    if (!open.empty() && static_cast<int>(open.front().steps.size()) > here && known.size() < most_states)
      result.depth = here + 1;
  }
  result.states = known.size();
  return result;
}

Explored wander_once(const Judges& judges, const std::vector<Person>& people, std::uint64_t seed, int length) {
  Explored result;
  std::mt19937_64 random(seed);
  Model model(judges, people);
  std::vector<Step> steps;
  const auto failed = [&](Ending ending, const Violation& wrong) {
    result.failure = shortened(judges, people, Failure{steps, ending, wrong});
  };
  if (auto wrong = model.install()) {
    failed(Ending::none, *wrong);
    return result;
  }
  for (int i = 0; i < length; ++i) {
    const auto possible = model.possible();
    steps.push_back(possible[random() % possible.size()]);
    ++result.steps;
    if (i % 16 == 0 || i + 40 > length) announce(model, steps);
    if (auto wrong = model.apply(steps.back())) {
      failed(Ending::none, *wrong);
      return result;
    }
  }
  const bool can_be_had = baseline(judges, people);
  for (const Ending ending : {Ending::requests_end, Ending::leave_and_return}) {
    Model copy = model;
    if (auto wrong = run_ending(copy, ending, can_be_had)) {
      failed(ending, *wrong);
      return result;
    }
  }
  return result;
}

Explored wander(const Judges& judges, const std::vector<Person>& people, std::uint64_t seed, int length, Until until) {
  Explored all;
  do {
    Explored one = wander_once(judges, people, seed + all.states, length);
    ++all.states;
    all.steps += one.steps;
    if (one.failure) {
      all.failure = std::move(one.failure);
      return all;
    }
  } while (Clock::now() < until);
  return all;
}

std::string in_words(const Judges& judges, const std::vector<Person>& people, const Failure& failure) {
  Model model(judges, people);
  model.keep_telling(true);
  std::string out;
  int number = 0;
  const auto tell = [&](const std::string& what) {
    out += "  " + std::to_string(++number) + ". " + what + "\n";
    for (const auto& line : model.told()) out += "  " + line + "\n";
  };
  const bool wrong_at_once = model.install().has_value();
  if (wrong_at_once || failure.steps.empty()) tell("the policy is installed in an empty room");
  for (const Step& step : failure.steps) {
    if (!model.can(step)) break;
    const auto words = model.describe(step);
    const bool wrong = model.apply(step).has_value();
    tell(words);
    if (wrong) return out;
  }
  if (failure.ending == Ending::requests_end) out += "  then nothing but time passes\n";
  if (failure.ending == Ending::leave_and_return)
    out += "  then everybody leaves, comes back and asks for the pen in turn\n";
  return out;
}

}  // namespace lectern::validate
