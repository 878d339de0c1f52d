#include "load/shown.hpp"

#include "load/http.hpp"

namespace load {

std::string text_of_output(const lectern::json::Value& output) {
  const auto* text = output.find("text");
  if (text == nullptr) return {};
  if (text->is_string()) return *text->as_string();
  std::string all;
  if (const auto* lines = text->as_array()) {
    for (const auto& line : *lines) all += *line.as_string();
  }
  return all;
}

void ShownText::take(const Message& message) {
  if (message.binary) return;
  if (message.bytes.starts_with("{\"op\":\"kernel-ready\"")) outputs_.clear();  // what follows is the whole
  if (message.bytes.starts_with("{\"op\":\"resync\"")) ++resyncs_;
  if (!message.bytes.starts_with("{\"op\":\"cell-op\"")) return;
  const auto frame = parse_json(message.bytes, "cell-op");
  const auto& data = *frame.find("data");
  if (*data.find("cell_id")->as_string() != cell_id_) return;
  status_ = *data.find("status")->as_string();
  for (const auto& change : *data.find("outputs")->as_array()) {
    const auto& op = *change.find("op")->as_string();
    const auto* index = change.find("index");
    const auto at = index == nullptr ? 0 : static_cast<std::size_t>(index->as_uint().value_or(0));
    if (op == "clear") {
      outputs_.clear();
    } else if (op == "append") {
      outputs_.push_back(text_of_output(*change.find("output")));
    } else if (at < outputs_.size()) {
      if (op == "append_text") outputs_[at] += *change.find("text")->as_string();
      if (op == "replace") outputs_[at] = text_of_output(*change.find("output"));
    }
  }
}

void ShownText::until_idle(Socket& socket) {
  status_.clear();
  while (status_ != "idle" && status_ != "error" && status_ != "cancelled") take(socket.receive());
}

std::string ShownText::text() const {
  std::string all;
  for (const auto& output : outputs_) all += output;
  return all;
}

}  // namespace load
