#include "runtime/kept_models.hpp"

#include <map>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"

namespace lectern::runtime {
namespace {

constexpr json::Limits line_limits{most_kept_models_bytes, 130, 1'000'000, false};

std::uint64_t number_at(const json::Value& line, std::string_view key) {
  const auto* member = line.find(key);
  return member != nullptr ? member->as_uint().value_or(0) : 0;
}

std::optional<KeptModel> model_from(const json::Value& line) {
  KeptModel out;
  out.id = json::string_or_empty(line, "model_id");
  out.cell_id = json::string_or_empty(line, "cell_id");
  out.execution = number_at(line, "execution");
  out.revision = number_at(line, "revision");
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

std::string line_of(const ModelNote& note) {
  std::string out;
  json::Writer writer(out);
  if (note.event.method == ModelMethod::close) {
    writer.begin_object().member("gone", std::string_view(note.event.model_id)).end_object();
    return out;
  }
  writer.begin_object();
  if (note.event.execution != 0) writer.member("execution", note.event.execution);
  if (note.again) writer.member("again", true);
  const auto data = note.event.data();
  out += out.size() > 1 ? "," : "";
  return out.append(data, 1);
}

/// What lines came to, by the order of creation.
class Read {
 public:
  /// False when the line is none of ours.
  bool take(const json::Value& line) {
    if (const auto gone = json::string_or_empty(line, "gone"); !gone.empty()) {
      forget(gone);
      return true;
    }
    auto model = model_from(line);
    if (!model) return false;
    const auto* again = line.find("again");
    const auto before = places_.find(model->id);
    if (before != places_.end() && again != nullptr && again->as_bool().value_or(false)) {
      models_[before->second] = std::move(*model);
      return true;
    }
    forget(model->id);
    places_[model->id] = next_;
    models_[next_++] = std::move(*model);
    return true;
  }
  std::vector<KeptModel> models() {
    std::vector<KeptModel> out;
    out.reserve(models_.size());
    for (auto& [place, model] : models_) out.push_back(std::move(model));
    return out;
  }

 private:
  void forget(const std::string& id) {
    const auto it = places_.find(id);
    if (it == places_.end()) return;
    models_.erase(it->second);
    places_.erase(it);
  }
  std::map<std::string, std::uint64_t> places_;
  std::map<std::uint64_t, KeptModel> models_;
  std::uint64_t next_ = 0;
};

}  // namespace

std::optional<std::string> kept_models_text(const std::vector<ModelNote>& notes, std::size_t most) {
  std::string out;
  for (const auto& note : notes) {
    std::size_t bytes = out.size();
    for (const auto& buffer : note.event.buffers) bytes += buffer->size() / 3 * 4;
    if (bytes > most) return std::nullopt;
    out += line_of(note);
    out += '\n';
  }
  if (out.size() > most) return std::nullopt;
  return out;
}

std::vector<KeptModel> kept_models_from(std::string_view text) {
  if (text.size() > most_noted_models_bytes) return {};
  Read read;
  for (std::size_t from = 0; from < text.size();) {
    const auto to = text.find('\n', from);
    if (to == std::string_view::npos) break;
    const auto line = json::parse(text.substr(from, to - from), line_limits);
    from = to + 1;
    if (!line || !read.take(*line)) return {};
  }
  return read.models();
}

}  // namespace lectern::runtime
