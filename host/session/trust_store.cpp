#include "session/trust_store.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/json.hpp"
#include "base/log.hpp"
#include "document/atomic_file.hpp"

namespace lectern::session {

TrustStore::TrustStore(const std::string& state_dir) : path_(state_dir.empty() ? "" : state_dir + "/trust.json") {}

std::set<std::string> TrustStore::read() const {
  std::ifstream file(path_, std::ios::binary);
  if (path_.empty() || !file) return {};
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto value = json::parse(text);
  auto approved = value ? json::Fields(*value, path_).strings("approved") : fail(value.error());
  if (!approved) {
    log::warning("session",
                 path_ + " is not readable, so nothing in it counts as approved: " + approved.error().message);
    return {};
  }
  return {approved->begin(), approved->end()};
}

void TrustStore::refresh() {
  auto found = read();
  const std::scoped_lock lock(mutex_);
  approved_.merge(found);
}

std::vector<std::string> TrustStore::unapproved(const std::vector<std::string>& dependencies) const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> out;
  for (const auto& one : dependencies) {
    if (!approved_.contains(one)) out.push_back(one);
  }
  return out;
}

Status TrustStore::approve(const std::vector<std::string>& dependencies) {
  if (unapproved(dependencies).empty()) return {};
  const std::scoped_lock one_at_a_time(writing_);
  auto all = read();  // of two hosts that write at once one may forget an approval: then it is asked for again
  {
    const std::scoped_lock lock(mutex_);
    all.insert(approved_.begin(), approved_.end());
  }
  all.insert(dependencies.begin(), dependencies.end());
  if (!path_.empty()) {
    std::string text;
    json::Writer writer(text);
    writer.begin_object().key("approved").begin_array();
    for (const auto& one : all) writer.string(one);
    writer.end_array().end_object();
    LECTERN_CHECK(document::make_folders(std::filesystem::path(path_).parent_path().string()));
    LECTERN_CHECK(document::replace_file(path_, text + "\n", 0600));
  }
  const std::scoped_lock lock(mutex_);
  approved_ = std::move(all);
  return {};
}

}  // namespace lectern::session
