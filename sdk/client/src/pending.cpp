#include "pending.hpp"

#include <charconv>
#include <utility>

namespace lectern::client {
namespace {

bool repeatable(const Pending& pending) {
  if (pending.name == "transaction") {
    if (const auto* changes = pending.body["changes"].as_array()) {
      for (const auto& change : *changes) {
        if (change["type"].text() == "splice_source") return false;
      }
    }
    return true;
  }
  static constexpr std::string_view harmless[] = {"complete", "inspect", "is_complete", "history",       "room",
                                                  "focus",    "sync",    "save",        "clear_outputs", "trust",
                                                  "takeover", "release", "start_kernel"};
  for (const auto name : harmless) {
    if (name == pending.name) return true;
  }
  return false;
}

}  // namespace

std::uint64_t Pendings::number_of(std::string_view id) {
  std::uint64_t number = 0;
  if (!id.starts_with('c')) return 0;
  const auto [end, error] = std::from_chars(id.data() + 1, id.data() + id.size(), number);
  return error == std::errc() && end == id.data() + id.size() ? number : 0;
}

template <class Which>
std::vector<Pending> Pendings::take_if(Which which) {
  std::vector<Pending> taken;
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (which(at->second)) {
      taken.push_back(std::move(at->second));
      at = waiting_.erase(at);
    } else {
      ++at;
    }
  }
  return taken;
}

std::optional<Pending> Pendings::take(std::string_view id) {
  const auto at = waiting_.find(number_of(id));
  if (at == waiting_.end()) return {};
  std::optional<Pending> taken = std::move(at->second);
  waiting_.erase(at);
  return taken;
}

std::vector<Pending> Pendings::take_all() {
  return take_if([](const Pending&) { return true; });
}
std::vector<Pending> Pendings::take_late(Clock::time_point now) {
  return take_if([now](const Pending& pending) { return pending.deadline <= now; });
}
std::vector<Pending> Pendings::take_unrepeatable(std::string_view stream) {
  return take_if([stream](const Pending& pending) {
    return !pending.stream.empty() && pending.stream != stream && !repeatable(pending);
  });
}

void Pendings::link_lost() {
  for (auto& [number, pending] : waiting_) pending.on_this_link = false;
}

std::vector<std::string> Pendings::due(const std::string& stream, std::optional<std::uint64_t> epoch, bool again) {
  std::vector<std::string> frames;
  for (auto& [number, pending] : waiting_) {
    if (number - waiting_.begin()->first >= window) break;
    if (pending.on_this_link || (again && pending.stream != stream)) continue;
    // What was sent to this run of the host keeps its epoch: if somebody had the pen since, it is a late edit and to be
    // refused. A host that was started anew left us the pen under the epoch of now.
    if (pending.stream != stream) pending.epoch = epoch;
    pending.stream = stream;
    pending.on_this_link = true;
    auto frame = Json().set("id", "c" + std::to_string(number)).set("command", pending.name);
    if (pending.epoch) frame.set("epoch", *pending.epoch);
    frame.set("body", pending.body);
    frames.push_back(frame.dump());
  }
  return frames;
}

}  // namespace lectern::client
