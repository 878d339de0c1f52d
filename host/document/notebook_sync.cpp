// Automerge's sync protocol, for those whose heads the host does not know.
#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "document/notebook_state.hpp"

namespace lectern::document {
namespace {

// In one message; what is missing besides is asked for when these are here.
constexpr std::size_t kAskedAtOnce = 1'000;

// Of what was inflated to make it.
std::uint64_t size_of(const ChangeInfo& info) {
  return info.message.size() + info.deps.size() * sizeof(ChangeHash);
}

struct Sorted {
  std::vector<std::string> ready;
  std::vector<ChangeHash> missing;  // what the rest builds on and nobody has here
};

// Takes those out of `held` whose past is `here` or among them, each behind what it builds on. Linear in what they say.
template <class Here>
Sorted take_ready(std::vector<HeldChange>& held, const Here& here) {
  std::unordered_map<std::string_view, std::vector<std::size_t>> wanted_by;  // names in `held`
  std::vector<std::size_t> missing(held.size()), ready;
  for (std::size_t i = 0; i < held.size(); ++i) {
    for (const auto& dep : held[i].info.deps) {
      if (here(dep)) continue;
      wanted_by[dep.view()].push_back(i);
      ++missing[i];
    }
    if (missing[i] == 0) ready.push_back(i);
  }
  Sorted out;
  for (std::size_t n = 0; n < ready.size(); ++n) {
    auto& change = held[ready[n]];
    out.ready.push_back(std::exchange(change.bytes, {}));
    const auto waiting = wanted_by.extract(change.info.hash.view());
    if (waiting.empty()) continue;
    for (const auto i : waiting.mapped()) {
      if (--missing[i] == 0) ready.push_back(i);
    }
  }
  for (const auto& change : held) wanted_by.erase(change.info.hash.view());
  for (const auto& wanted : wanted_by) {
    if (out.missing.size() == kAskedAtOnce) break;
    const auto& deps = held[wanted.second.front()].info.deps;
    const auto is_it = [&](const ChangeHash& dep) { return dep.view() == wanted.first; };
    out.missing.push_back(*std::find_if(deps.begin(), deps.end(), is_it));
  }
  std::erase_if(held, [](const HeldChange& change) { return change.bytes.empty(); });
  return out;
}

tl::unexpected<Error> refused(const Outcome& why) {
  const bool large = why.status == LAM_TOO_LARGE;
  return fail(large ? 413 : 422, large ? "too_large" : "malformed_sync", why.message, "open the connection anew");
}

}  // namespace

SyncSession::SyncSession(std::shared_ptr<State> state) : state_(std::move(state)) {}
SyncSession::SyncSession(SyncSession&&) noexcept = default;
SyncSession& SyncSession::operator=(SyncSession&&) noexcept = default;
SyncSession::~SyncSession() = default;

SyncSession NotebookDocument::open_sync() {
  return SyncSession(std::make_shared<SyncSession::State>());
}

Result<std::string> NotebookDocument::sync_generate(SyncSession& session) {
  state_->settle();
  std::string message;
  const auto& peer = *session.state_;
  std::vector<ChangeHash> held;
  if (!peer.missing.empty()) {
    for (const auto& change : peer.held) held.push_back(change.info.hash);
  }
  const auto outcome = state_->engine.sync_generate(peer.handle.get(), held, peer.missing, message);
  if (!outcome) return state_->recovered(outcome, "the sync message");
  return message;
}

// The protocol may send what builds on changes that it leaves out: its filters are wrong about one in a hundred. A peer
// sends each change once, so what cannot be applied yet is held until the rest is here, which the next message asks
// for. Nothing is held for those who may not make it.
Status NotebookDocument::State::sync(Syncing& edit) {
  std::vector<std::string> chunks;
  auto outcome = Engine::sync_changes(edit.message, limits, chunks);
  if (!outcome) return refused(outcome);
  auto& held = edit.session->held;
  if (chunks.size() + held.size() > limits.max_chunks_per_batch) {
    return fail(413, "too_large",
                "more than " + std::to_string(limits.max_chunks_per_batch) + " changes come or wait for others",
                "open the connection anew, and send changes after those they build on");
  }
  // Few bytes may inflate to much, so each is judged before the next is kept.
  std::uint64_t told = 0;
  for (const auto& change : held) told += size_of(change.info);
  std::vector<ChangeInfo> infos(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (outcome = Engine::inspect(chunks[i], limits, infos[i]); !outcome) return fail(unreadable(outcome, i));
    if (!edit.applying.authors.include(infos[i].actor) && !engine.contains(infos[i].hash)) {
      return fail(403, "foreign_actor", "changes by an actor that was not issued to this client",
                  "return to the host's heads");
    }
    told += size_of(infos[i]);
    if (told > limits.max_inflated_bytes) {
      return fail(413, "too_large",
                  "changes that together inflate past " + std::to_string(limits.max_inflated_bytes) + " bytes",
                  "open the connection anew, and send fewer of them at once");
    }
  }
  for (std::size_t i = 0; i < chunks.size(); ++i) held.push_back({std::move(chunks[i]), std::move(infos[i])});
  auto sorted = take_ready(held, [this](const ChangeHash& dep) { return engine.contains(dep); });
  edit.applying.submitted = std::move(sorted.ready);
  edit.session->missing = std::move(sorted.missing);
  std::size_t bytes = 0;
  for (const auto& change : held) bytes += change.bytes.size();
  if (bytes > limits.max_held_bytes) {
    return fail(413, "too_large",
                "more than " + std::to_string(limits.max_held_bytes) + " bytes of changes wait for others",
                "open the connection anew, and send changes after those they build on");
  }
  LECTERN_CHECK(apply(edit.applying));
  outcome = engine.sync_receive(edit.session->handle.get(), edit.message, limits);
  if (outcome) return {};
  if (outcome.broken() || !edit.applying.fresh.empty()) LECTERN_CHECK(rebuild());  // without what the message brought
  return refused(outcome);
}

void NotebookDocument::State::make(Syncing& edit) {
  edit.applying.status = sync(edit);
}

Result<std::shared_ptr<LongEdit>> NotebookDocument::begin_sync(SyncSession& session, std::string_view message,
                                                               const Authors& authors) {
  Syncing edit;
  edit.session = session.state_;
  edit.message = message;
  edit.applying.authors = authors;
  std::vector<std::string> chunks;
  // What is held may be large, and whatever comes may be what it waits for. While an edit runs, it is the worker's.
  const bool quick = message.size() <= kQuickBytes && !state_->begun && session.state_->held.empty() &&
                     Engine::sync_changes(message, quick_limits(), chunks).status != LAM_TOO_LARGE &&
                     quick_to_read(chunks);
  return state_->begin(std::move(edit), quick ? 0 : UINT64_MAX);
}

Result<AppliedChanges> NotebookDocument::finish_sync(LongEdit& edit) {
  edit.run();
  state_->begun.reset();
  return state_->finish(std::get<Syncing>(edit.work_->edit));
}

Result<AppliedChanges> NotebookDocument::sync_receive(SyncSession& session, std::string_view message,
                                                      const Authors& authors) {
  LECTERN_TRY(const auto edit, begin_sync(session, message, authors));
  return finish_sync(*edit);
}

}  // namespace lectern::document
