// Walking through what can happen in a room: all of it to a depth, and long random ways; a way that fails is made as
// short as it can be.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "policy_model.hpp"

namespace lectern::validate {

/// How a sequence goes on after its steps, to find what shows only at the end.
enum class Ending { none, requests_end, leave_and_return };

struct Failure {
  std::vector<Step> steps;
  Ending ending = Ending::none;
  Violation violation;
};

struct Explored {
  std::optional<Failure> failure;
  std::uint64_t states = 0, steps = 0;
  int depth = 0;               // every sequence of that length was tried
  bool pen_can_be_had = true;  // false: not even a fresh room gives the pen to anybody of these people
};

using Until = std::chrono::steady_clock::time_point;

/// [control] Breadth first, so that the first failure is a shortest one. Rooms that no policy can tell apart are walked
/// from once.
Explored explore(const Judges& judges, const std::vector<Person>& people, int depth, std::size_t most_states,
                 Until until);
/// [control] Random ways of `length` steps until the time is over; `ways` counts them.
Explored wander(const Judges& judges, const std::vector<Person>& people, std::uint64_t seed, int length, Until until);
/// [control] One way.
Explored wander_once(const Judges& judges, const std::vector<Person>& people, std::uint64_t seed, int length);
/// [any] The failing sequence, step by step, with what the policy decided.
std::string in_words(const Judges& judges, const std::vector<Person>& people, const Failure& failure);

}  // namespace lectern::validate
