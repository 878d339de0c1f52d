#include "session/opened_before_named.hpp"

namespace lectern::session {

std::vector<std::string> opened_before_named(std::span<const ModelTold> told, std::span<const std::string> known,
                                             const std::function<bool(const std::string&)>& exists) {
  OpenedBeforeNamed order;
  std::set<std::string> broken;
  for (const auto& id : known) (void)order.opened(id);
  for (const auto& one : told) {
    if (one.what == ModelTold::What::named) {
      order.named(one.model_id);
    } else if (!order.opened(one.model_id)) {
      broken.insert(one.model_id);
    }
  }
  for (const auto& id : order.not_opened()) {
    if (exists(id)) broken.insert(id);
  }
  return {broken.begin(), broken.end()};
}

}  // namespace lectern::session
