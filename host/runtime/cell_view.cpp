#include "runtime/cell_view.hpp"

#include "base/json.hpp"

namespace lectern::runtime {

std::string CellView::data() const {
  const auto& shown = outputs.outputs();
  if (shown.empty() && !ran && !execution_count) return {};
  std::size_t bytes = 256;
  for (const auto& output : shown) bytes += output->size() + 32;
  std::string out;
  out.reserve(bytes);
  json::Writer writer(out);
  writer.begin_object().member("cell_id", std::string_view(cell_id));
  if (!execution_id.empty()) writer.member("execution_id", std::string_view(execution_id));
  writer.member("status", run_status_name(status));
  if (execution_count) writer.member("execution_count", *execution_count);
  writer.key("outputs").begin_array();
  if (!shown.empty()) writer.begin_object().member("op", "clear").end_object();
  for (const auto& output : shown) {
    writer.begin_object().member("op", "append").member_raw("output", *output).end_object();
  }
  writer.end_array().end_object();
  return out;
}

}  // namespace lectern::runtime
