#include "sheet.hpp"

#include <algorithm>

#include "expression.hpp"

namespace {

template <class Take>
void each_line(std::string_view code, Take&& take) {
  while (!code.empty()) {
    const auto end = std::min(code.find('\n'), code.size());
    const auto line = split(code.substr(0, end));
    if (!line.expression.empty()) take(line);
    code.remove_prefix(std::min(end + 1, code.size()));
  }
}

}  // namespace

std::vector<std::string> Sheet::set(const std::string& cell, std::string_view code) {
  auto& now = cells_[cell];
  auto touched = now.gives;  // who read what is no longer given has to say so
  for (const auto& name : now.gives) values_.erase(name);
  now = {std::string(code), {}, {}};
  each_line(code, [&](const Line& line) {
    for (const auto& name : names_in(line.expression)) {
      if (now.gives.count(name) == 0) now.reads.insert(name);
    }
    if (!line.name.empty()) now.gives.insert(line.name);
  });
  touched.insert(now.gives.begin(), now.gives.end());
  return readers_of(touched, cell);
}

std::vector<std::string> Sheet::forget(const std::string& cell) {
  const auto found = cells_.find(cell);
  if (found == cells_.end()) return {};
  const auto gave = found->second.gives;
  for (const auto& name : gave) values_.erase(name);
  cells_.erase(found);
  return readers_of(gave, cell);
}

std::vector<std::string> Sheet::readers_of(const std::set<std::string>& names, const std::string& but_not) const {
  std::set<std::string> seen{but_not};
  std::vector<std::string> out;
  add_readers(names, seen, out);
  std::reverse(out.begin(), out.end());
  return out;
}

// Depth first, each behind those that read it.
void Sheet::add_readers(const std::set<std::string>& names, std::set<std::string>& seen,
                        std::vector<std::string>& out) const {
  for (const auto& [id, cell] : cells_) {
    const bool reads =
        std::any_of(cell.reads.begin(), cell.reads.end(), [&](const auto& name) { return names.count(name) != 0; });
    if (!reads || !seen.insert(id).second) continue;
    add_readers(cell.gives, seen, out);
    out.push_back(id);
  }
}

double Sheet::value_of(const std::string& name, const std::string& reader) const {
  for (const auto& [id, cell] : cells_) {
    if (id == reader || cell.gives.count(name) == 0) continue;
    const auto found = values_.find(name);
    if (found == values_.end()) throw Wrong("\"" + name + "\" has no value");
    return found->second;
  }
  throw Wrong("no cell gives \"" + name + "\"");
}

double Sheet::run(const std::string& cell) {
  const auto& now = cells_.at(cell);
  for (const auto& name : now.gives) {
    values_.erase(name);
    for (const auto& [id, other] : cells_) {
      if (id != cell && other.gives.count(name) != 0) throw Wrong("another cell gives \"" + name + "\" already");
    }
  }
  std::map<std::string, double> own;
  double last = 0;
  each_line(now.code, [&](const Line& line) {
    last = evaluate(line.expression, [&](const std::string& name) {
      const auto found = own.find(name);
      return found != own.end() ? found->second : value_of(name, cell);
    });
    if (!line.name.empty()) own[line.name] = last;
  });
  values_.insert(own.begin(), own.end());
  return last;
}
