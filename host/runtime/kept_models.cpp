#include "runtime/kept_models.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace lectern::runtime {
namespace slice = sdk::json;
namespace {

constexpr json::Limits line_limits{most_kept_models_bytes, 130, 1'000'000, false};

std::uint64_t number_at(const json::Value& line, std::string_view key) {
  const auto* member = line.find(key);
  return member != nullptr ? member->as_uint().value_or(0) : 0;
}

bool flag_at(const json::Value& line, std::string_view key) {
  const auto* member = line.find(key);
  return member != nullptr && member->as_bool().value_or(false);
}

std::optional<KeptModel> model_from(const json::Value& line) {
  KeptModel out;
  out.id = json::string_or_empty(line, "model_id");
  out.cell_id = json::string_or_empty(line, "cell_id");
  out.execution = number_at(line, "execution");
  out.revision = number_at(line, "revision");
  if (out.id.empty() || out.revision == 0) return std::nullopt;
  if (flag_at(line, "bare")) return out;
  const auto* message = line.find("message");
  const auto* buffers = line.find("buffers");
  if (message == nullptr) return std::nullopt;
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

/// A line that is JSON, and more than is read at once: who made the model is still to be found in it.
std::optional<KeptModel> maker_in(std::string_view line) {
  if (!slice::valid(line)) return std::nullopt;
  KeptModel out;
  out.id = slice::text(slice::member(line, "model_id"));
  out.cell_id = slice::text(slice::member(line, "cell_id"));
  out.execution = static_cast<std::uint64_t>(slice::integer(slice::member(line, "execution")).value_or(0));
  if (out.id.empty()) return std::nullopt;
  return out;
}

std::string gone_line(const std::string& id) {
  std::string out;
  json::Writer(out).begin_object().member("gone", std::string_view(id)).end_object();
  return out;
}

std::string bare_line(const ModelEvent& event) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("bare", true).member("model_id", std::string_view(event.model_id));
  writer.member("revision", std::max<std::uint64_t>(event.revision, 1));
  if (!event.cell_id.empty()) writer.member("cell_id", std::string_view(event.cell_id));
  if (event.execution != 0) writer.member("execution", event.execution);
  writer.end_object();
  return out;
}

std::string line_of(const ModelNote& note) {
  if (note.event.method == ModelMethod::close) return gone_line(note.event.model_id);
  if (note.bare) return bare_line(note.event);
  std::string out;
  json::Writer writer(out);
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
    put(std::move(*model), flag_at(line, "again"));
    return true;
  }
  void put(KeptModel model, bool again) {
    const auto before = places_.find(model.id);
    if (before != places_.end() && again) {
      models_[before->second] = std::move(model);
      return;
    }
    forget(model.id);
    places_[model.id] = next_;
    models_[next_++] = std::move(model);
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

std::string kept_makers_text(const std::vector<ModelNote>& notes) {
  std::string out;
  for (const auto& note : notes) {
    out += note.event.method == ModelMethod::close ? gone_line(note.event.model_id) : bare_line(note.event);
    out += '\n';
  }
  return out;
}

std::optional<std::vector<KeptModel>> kept_models_from(std::string_view text) {
  if (text.size() > most_noted_models_bytes) return std::nullopt;
  Read read;
  for (std::size_t from = 0; from < text.size();) {
    const auto to = text.find('\n', from);
    if (to == std::string_view::npos) break;
    const auto piece = text.substr(from, to - from);
    const auto line = json::parse(piece, line_limits);
    from = to + 1;
    if (!line) {
      auto maker = line.error().code == "too_large" ? maker_in(piece) : std::nullopt;
      if (!maker) return std::nullopt;
      log::warning("runtime", "the widget " + maker->id + " is not brought back as it was written down: " +
                                  line.error().message + "; the kernel is asked for it");
      read.put(std::move(*maker), slice::member(piece, "again") == "true");
    } else if (!read.take(*line)) {
      return std::nullopt;
    }
  }
  return read.models();
}

}  // namespace lectern::runtime
