#include "runtime/hub.hpp"

#include <chrono>
#include <utility>

#include "base/log.hpp"
#include "base/workers.hpp"
#include "plugin/registry.hpp"

namespace lectern::runtime {

namespace {
constexpr std::size_t max_merged_text = 1u << 20;
constexpr std::size_t held_up_past = 16u << 20;
constexpr std::chrono::milliseconds held_up_for{50};
}  // namespace

void Mailbox::put(plugin::RuntimeEvent&& event) {
  std::unique_lock lock(mutex);
  const bool stream = event.kind == plugin::RuntimeEventKind::stream;
  if (stream && !event.credit.counts() && text_waiting > held_up_past) {
    room.wait_for(lock, held_up_for, [&] { return closed || text_waiting <= held_up_past; });
  }
  if (closed) return;
  if (stream) text_waiting += event.text.size();
  if (stream && !waiting.empty()) {
    auto& last = waiting.back();
    if (last.kind == event.kind && last.execution == event.execution && last.name == event.name &&
        last.text.size() < max_merged_text) {
      last.text += event.text;
      last.credit.join(std::move(event.credit));
      return;
    }
  }
  waiting.push_back(std::move(event));
  if (posted) return;
  posted = true;
  loop.post(drain);
}

std::vector<plugin::RuntimeEvent> Mailbox::take() {
  const std::scoped_lock lock(mutex);
  posted = false;
  text_waiting = 0;
  room.notify_all();
  return std::exchange(waiting, {});
}

void Mailbox::close() {
  const std::scoped_lock lock(mutex);
  closed = true;
  waiting.clear();
  room.notify_all();
}

Hub::Hub(plugin::Registry& registry, Workers& workers, PluginSettings settings)
    : registry_(registry), workers_(workers), settings_(std::move(settings)) {}

Hub::~Hub() {
  std::unique_lock lock(routes_);
  no_tasks_.wait(lock, [&] { return tasks_ == 0; });
  lock.unlock();
  runtimes_.clear();
  former_.clear();
}

void Hub::submit(Task task) {
  {
    const std::scoped_lock lock(routes_);
    ++tasks_;
  }
  workers_.submit([this, task = std::move(task)]() mutable {
    task();
    const std::scoped_lock lock(routes_);
    if (--tasks_ == 0) no_tasks_.notify_all();
  });
}

std::string Hub::short_name(std::string_view plugin_id) {
  constexpr std::string_view prefix = "runtime-";
  return std::string(plugin_id.starts_with(prefix) ? plugin_id.substr(prefix.size()) : plugin_id);
}

std::vector<std::string> Hub::plugins() const {
  auto ids = registry_.ids(plugin::Kind::runtime);
  std::erase_if(ids, [this](const auto& id) { return settings_.unused.count(id) > 0; });
  return ids;
}

Result<std::shared_ptr<plugin::Runtime>> Hub::make(plugin::GenerationPtr generation) {
  const auto config = settings_.of.find(generation->id());
  return plugin::Runtime::create(std::move(generation), config == settings_.of.end() ? "{}" : config->second,
                                 [this](plugin::RuntimeEvent&& event) { route(std::move(event)); });
}

Result<std::shared_ptr<plugin::Runtime>> Hub::runtime(const std::string& plugin_id) {
  const std::scoped_lock lock(making_);
  if (const auto it = runtimes_.find(plugin_id); it != runtimes_.end()) return it->second;
  LECTERN_TRY(auto generation, registry_.load(plugin::Kind::runtime, plugin_id));
  LECTERN_TRY(auto made, make(std::move(generation)));
  runtimes_[plugin_id] = made;
  return made;
}

Result<std::uint64_t> Hub::renew(const std::string& plugin_id) {
  const std::scoped_lock lock(making_);
  // A kernel's end may let go on a reactor, which must not wait for a runtime's threads: so the last hold is ours.
  std::erase_if(former_, [](const auto& runtime) { return runtime.use_count() == 1; });
  LECTERN_TRY(auto generation, registry_.load(plugin::Kind::runtime, plugin_id));
  const auto number = generation->number();
  const auto it = runtimes_.find(plugin_id);
  if (it != runtimes_.end() && it->second->generation() == generation) return number;
  LECTERN_TRY(auto made, make(std::move(generation)));
  if (it == runtimes_.end()) {
    runtimes_[plugin_id] = std::move(made);
  } else {
    former_.push_back(std::exchange(it->second, std::move(made)));
  }
  return number;
}

std::uint64_t Hub::attach(std::shared_ptr<Mailbox> mailbox) {
  const std::scoped_lock lock(routes_);
  const auto number = next_number_++;
  mailboxes_[number] = std::move(mailbox);
  return number;
}

void Hub::detach(std::uint64_t number) {
  const std::scoped_lock lock(routes_);
  mailboxes_.erase(number);
}

void Hub::route(plugin::RuntimeEvent&& event) {
  std::shared_ptr<Mailbox> mailbox;
  {
    const std::scoped_lock lock(routes_);
    const auto it = mailboxes_.find(event.kernel);
    if (it == mailboxes_.end()) return;
    mailbox = it->second;
  }
  mailbox->put(std::move(event));
}

}  // namespace lectern::runtime
