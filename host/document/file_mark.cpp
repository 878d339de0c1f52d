#include "document/file_mark.hpp"

#include "base/json.hpp"

namespace lectern::document {

std::string mark_json(const FileMark& mark) {
  std::string out = to_json(mark.print);
  out.pop_back();
  out += R"(,"heads":)";
  json::write_string(mark.heads, out);
  return out + "}";
}

std::optional<FileMark> read_mark(const std::map<std::string, std::string>& meta, std::string_view key) {
  const auto found = meta.find(std::string(key));
  if (found == meta.end()) return std::nullopt;
  const auto print = fingerprint_from_json(found->second);
  if (!print) return std::nullopt;
  FileMark mark{*print, {}};
  const auto value = json::parse(found->second);
  if (const auto* heads = value->find("heads"); heads != nullptr && heads->as_string() != nullptr) {
    mark.heads = *heads->as_string();
  }
  return mark;
}

}  // namespace lectern::document
