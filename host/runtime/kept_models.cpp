#include "runtime/kept_models.hpp"

#include <algorithm>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"

namespace lectern::runtime {
namespace {

constexpr json::Limits line_limits{most_kept_models_bytes, 130, 1'000'000, false};

std::optional<KeptModel> model_from(const json::Value& line) {
  KeptModel out;
  out.id = json::string_or_empty(line, "model_id");
  out.cell_id = json::string_or_empty(line, "cell_id");
  const auto* revision = line.find("revision");
  out.revision = revision != nullptr ? revision->as_uint().value_or(0) : 0;
  const auto* message = line.find("message");
  const auto* buffers = line.find("buffers");
  if (out.id.empty() || out.revision == 0 || message == nullptr) return std::nullopt;
  if (buffers == nullptr || !buffers->is_array()) return std::nullopt;
  out.target = json::string_or_empty(*message, "target");
  out.data = json::write(*message);
  for (const auto& buffer : *buffers->as_array()) {
    const auto* base64 = buffer.as_string();
    auto bytes = base64 != nullptr ? text::from_base64(*base64) : std::nullopt;
    if (!bytes) return std::nullopt;
    out.buffers.push_back(std::move(*bytes));
  }
  return out;
}

}  // namespace

std::optional<std::string> kept_models_text(const std::vector<ModelEvent>& opens) {
  std::string out;
  for (const auto& open : opens) {
    std::size_t bytes = out.size();
    for (const auto& buffer : open.buffers) bytes += buffer->size() / 3 * 4;
    if (bytes > most_kept_models_bytes) return std::nullopt;
    out += open.data();
    out += '\n';
  }
  if (out.size() > most_kept_models_bytes) return std::nullopt;
  return out;
}

std::vector<KeptModel> kept_models_from(std::string_view text) {
  std::vector<KeptModel> out;
  if (text.size() > most_kept_models_bytes) return out;
  for (std::size_t from = 0; from < text.size();) {
    const auto to = std::min(text.find('\n', from), text.size());
    const auto line = json::parse(text.substr(from, to - from), line_limits);
    from = to + 1;
    auto model = line ? model_from(*line) : std::nullopt;
    if (!model) return {};
    out.push_back(std::move(*model));
  }
  return out;
}

}  // namespace lectern::runtime
