#include "runtime/taken_up_models.hpp"

#include "runtime/models.hpp"

namespace lectern::runtime {

void TakenUpModels::begin() {
  ask_ = unanswered_ = unsaid_ = true;
}

void TakenUpModels::brought_back(const std::string& id, bool ask) {
  brought_back_.insert(id);
  if (ask) to_ask_.push_back(id);
}

void TakenUpModels::made_by(const std::string& id, std::uint64_t execution, const std::string& cell_id) {
  brought_back_.insert(id);
  if (execution != 0 && !cell_id.empty()) cells_[execution] = cell_id;
}

const std::string* TakenUpModels::cell_of_run(std::uint64_t execution) const {
  const auto it = cells_.find(execution);
  return it == cells_.end() ? nullptr : &it->second;
}

std::optional<std::vector<std::string>> TakenUpModels::to_ask() {
  if (!std::exchange(ask_, false)) return std::nullopt;
  return std::exchange(to_ask_, {});
}

void TakenUpModels::heard_of(std::string_view id) {
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
  unsaid_ = out.too_many;  // nobody asks for the rest
  return out;
}

void TakenUpModels::forget() {
  *this = {};
}

}  // namespace lectern::runtime
