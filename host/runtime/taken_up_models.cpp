#include "runtime/taken_up_models.hpp"

#include "runtime/models.hpp"

namespace lectern::runtime {

void TakenUpModels::brought_back(const std::string& id, bool ask) {
  brought_back_.insert(id);
  if (ask) to_ask_.push_back(id);
}

std::optional<std::vector<std::string>> TakenUpModels::to_ask() {
  if (!std::exchange(ask_, false)) return std::nullopt;
  return std::exchange(to_ask_, {});
}

void TakenUpModels::opened(std::string_view id) {
  for (auto* known : {&brought_back_, &awaited_}) {
    if (const auto it = known->find(id); it != known->end()) known->erase(it);
  }
}

TakenUpModels::Difference TakenUpModels::compare(const std::vector<std::pair<std::string, std::string>>& comms,
                                                 const std::function<bool(const std::string&)>& has) {
  std::set<std::string_view> there;
  Difference out;
  const auto most = ModelLimits{}.models;
  unanswered_ = false;
  for (const auto& [id, target] : comms) {
    there.insert(id);
    if (target != "jupyter.widget" || has(id)) continue;
    if (out.found.size() == most) {
      out.too_many = true;
      continue;
    }
    out.found.push_back(id);
    awaited_.insert(id);
  }
  for (const auto& id : std::exchange(brought_back_, {})) {
    if (!there.contains(id)) out.gone.push_back(id);
  }
  return out;
}

void TakenUpModels::forget() {
  *this = {};
}

}  // namespace lectern::runtime
