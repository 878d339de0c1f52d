// A script that answers the questions of SimplePolicy.
#pragma once

#include <lectern/sdk/simple_policy.hpp>

#include <functional>

#include "sandbox.hpp"

namespace script {

/// The interpreter of this decision, started when it is first needed.
using SandboxSource = std::function<Sandbox&()>;

class Questions final : public lectern::sdk::SimplePolicy {
 public:
  explicit Questions(SandboxSource source) : source_(std::move(source)) {}
  lectern::sdk::Start initial_capabilities(const lectern::sdk::Room& room,
                                           const lectern::sdk::Member& member) const override;
  lectern::sdk::Decision can_take_over_editing(const lectern::sdk::Room& room,
                                               const lectern::sdk::Member& asker) const override;
  lectern::sdk::Start former_editor(const lectern::sdk::Room& room, const lectern::sdk::Member& member) const override;
  lectern::sdk::Decision unanswered(const lectern::sdk::Room& room, const lectern::sdk::Member& asker,
                                    std::uint64_t asked) const override;

 private:
  SandboxSource source_;
};

}  // namespace script
