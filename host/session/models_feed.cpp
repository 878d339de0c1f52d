#include "session/models_feed.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/crypto.hpp"
#include "base/log.hpp"
#include "runtime/blobs.hpp"
#include "runtime/service.hpp"
#include "session/live_session.hpp"
#include "session/running.hpp"

namespace lectern::session {
namespace {

constexpr auto pause = std::chrono::milliseconds(30);  // of a slider that is dragged: readers see it move
constexpr int most_refusals = 2;

std::string state_text(const json::Value& state) {
  return state.is_string() ? *state.as_string() : std::string();
}

}  // namespace

ModelsFeed::ModelsFeed(LiveSession& session) : session_(session), pause_(session.loop()) {}

bool ModelsFeed::make() {
  if (given_up_) return false;
  auto made = document::ModelsDocument::create();
  if (!made) {
    failed(made.error());
    return false;
  }
  document_ = std::move(*made);
  history_ = crypto::uuid();
  version_ = 1;
  made_ = 0;
  broken_ = false;
  stale_.clear();
  blobs_.clear();
  for (const auto& id : session_.running().runtime().model_store().ids()) stale_[id].whole = true;
  (void)write_stale();  // whoever gets the document has it in there
  return document_.has_value();
}

void ModelsFeed::failed(const Error& error) {
  log::error("session", "widget models of " + session_.path() + ": " + error.message);
  broken_ = true;
}

// While nobody listens nothing is written: what is stale waits, once per key, for the next who does.
bool ModelsFeed::heard() const {
  const auto& all = session_.connections().all();
  return std::any_of(all.begin(), all.end(), [](const auto& one) { return one.second->models_ready; });
}

void ModelsFeed::changed(const runtime::ModelEvent& event) {
  if (!document_ || event.method == runtime::ModelMethod::custom) return;
  auto& stale = stale_[event.model_id];
  const auto* state = event.message.find("state");
  if (event.method != runtime::ModelMethod::update || state == nullptr || state->as_object() == nullptr) {
    stale.whole = opened_ = true;
  } else {
    for (const auto& [key, value] : *state->as_object()) stale.keys.insert(key);
    if (const auto* paths = event.message.find("buffer_paths"); paths != nullptr && paths->is_array()) {
      for (const auto& path : *paths->as_array()) stale.keys.insert(*path.as_array()->front().as_string());
    }
  }
  if (!pause_.armed() && heard()) pause_.start(pause, [this] { flush(); });
}

void ModelsFeed::before_output() {
  if (opened_ && heard()) flush();
}

json::Value ModelsFeed::placed(const std::string& model_id, const std::string& key) {
  auto& named = blobs_[model_id][key];
  named.clear();
  auto value = session_.running().runtime().model_store().state_at(model_id, key, [&](const runtime::Buffer& bytes) {
    const auto blob = session_.services().runtime->blobs().put(*bytes, "application/octet-stream");
    named.insert(blob.sha256);
    json::Value out;
    out.set("$blob", blob.sha256);
    out.set("size", blob.size);
    out.set("media_type", blob.media_type);
    return out;
  });
  if (named.empty()) blobs_[model_id].erase(key);
  return value;
}

// What the document cannot hold (nested past 64 levels) is null in it; everything else of the model stands.
void ModelsFeed::put(const std::vector<std::string>& path, const std::optional<std::string>& value) {
  if (broken_) return;
  auto done = document_->set(path, value);
  if (!done && done.error().status == 400 && value) done = document_->set(path, "null");
  if (!done) failed(done.error());
}

void ModelsFeed::write(const std::string& model_id, const Stale& stale) {
  const auto view = session_.running().runtime().model_store().view(model_id);
  if (!view) {
    blobs_.erase(model_id);
    return put({model_id}, std::nullopt);
  }
  if (!stale.whole) {
    for (const auto& key : stale.keys) put({model_id, "state", key}, json::write(placed(model_id, key)));
    return put({model_id, "revision"}, std::to_string(view->revision));
  }
  blobs_.erase(model_id);
  std::string head;
  json::Writer writer(head);
  writer.begin_object()
      .member("target_name", view->target)
      .member("model_module", state_text(placed(model_id, "_model_module")))
      .member("model_name", state_text(placed(model_id, "_model_name")));
  if (!view->cell_id.empty()) writer.member("cell_id", view->cell_id);
  writer.member("seq", view->order).member("revision", view->revision).member_raw("state", "{}").end_object();
  put({model_id}, head);
  for (const auto& key : view->keys) put({model_id, "state", key}, json::write(placed(model_id, key)));
}

// The change that it made of the document; empty when it made none. A document that does not take it is gone.
std::string ModelsFeed::write_stale() {
  pause_.cancel();
  opened_ = false;
  for (const auto& [model_id, stale] : std::exchange(stale_, {})) write(model_id, stale);
  auto chunk = broken_ ? Result<std::string>(std::string()) : document_->commit();
  if (!chunk) failed(chunk.error());
  if (broken_) {
    document_.reset();
    if (++refusals_ >= most_refusals) give_up();
    return {};
  }
  refusals_ = 0;
  if (!chunk->empty()) ++version_;
  return std::move(*chunk);
}

void ModelsFeed::flush() {
  if (!document_ || stale_.empty()) {
    pause_.cancel();
    opened_ = false;
    return;
  }
  const auto chunk = write_stale();
  if (given_up_) return;
  if (!document_ || ++made_ > session_.settings().models_changes) return begin_again();
  if (!chunk.empty()) tell(chunk);
}

// Its readers get the fresh one in place of the last change: nothing of it is to be merged into what they had.
void ModelsFeed::begin_again() {
  document_.reset();
  if (!make() && !make()) return give_up();
  const auto message = whole();
  if (!message) return give_up();
  for (const auto& [id, connection] : session_.connections().all()) {
    connection->models_sync.reset();
    if (connection->models_ready) connection->send(message);
  }
}

// A fresh document that refuses the same would be followed by another one for ever.
void ModelsFeed::give_up() {
  if (std::exchange(given_up_, true)) return;
  log::error("session", "the document of the widget models of " + session_.path() +
                            " is given up: two in a row refused what they were to hold; models=events goes on");
  document_.reset();
  stale_.clear();
  for (const auto& [id, connection] : session_.connections().all()) connection->models_ready = false;
}

void ModelsFeed::tell(const std::string& chunk) {
  auto message = std::make_shared<Message>();
  message->kind = plugin::OutboundKind::changes;
  message->document = plugin::DocumentKind::models;
  json::Writer(message->data).begin_object().member_raw("by", "null").member("version", version_).end_object();
  message->payload = chunk;
  message->sizes.push_back(chunk.size());
  for (const auto& [id, connection] : session_.connections().all()) {
    if (connection->live() && connection->models_ready) connection->send(message);
  }
}

std::string ModelsFeed::heads_json() {
  std::string out;
  json::Writer writer(out);
  writer.begin_array();
  for (const auto& head : document_->heads()) writer.string(head.hex());
  writer.end_array();
  return out;
}

MessagePtr ModelsFeed::document_for(Connection& connection) {
  const auto& options = connection.options();
  if (!document_ && !make()) return nullptr;
  flush();
  if (!document_) return nullptr;
  if (options.models_heads && !options.models_heads->empty() && options.models_history == history_) {
    std::vector<document::ChangeHash> heads;
    for (const auto& text : *options.models_heads) {
      if (auto hash = document::ChangeHash::from_hex(text)) heads.push_back(*hash);
    }
    auto missing = document_->changes_since(heads);
    if (missing && heads.size() == options.models_heads->size()) {
      auto message = std::make_shared<Message>();
      message->document = plugin::DocumentKind::models;
      message->counts = false;
      message->kind = plugin::OutboundKind::changes;
      json::Writer(message->data).begin_object().member_raw("by", "null").member("version", version_).end_object();
      for (const auto& chunk : *missing) {
        message->payload += chunk;
        message->sizes.push_back(chunk.size());
      }
      connection.models_ready = true;
      return message;
    }
  }
  auto message = whole();
  connection.models_ready = message != nullptr;
  return message;
}

MessagePtr ModelsFeed::whole() {
  auto bytes = document_->save();
  if (!bytes) {
    failed(bytes.error());
    return nullptr;
  }
  auto message = std::make_shared<Message>();
  message->document = plugin::DocumentKind::models;
  message->counts = false;
  message->kind = plugin::OutboundKind::document;
  json::Writer(message->data)
      .begin_object()
      .member("document", "models")
      .member("history_id", history_)
      .member_raw("heads", heads_json())
      .member("version", version_)
      .end_object();
  message->payload = std::move(*bytes);
  return message;
}

void ModelsFeed::sync_message(Connection& connection, std::string_view text) {
  if (!document_ && !make()) return;
  flush();
  if (!document_) return;
  if (!connection.models_sync) connection.models_sync.emplace(document::ModelsDocument::start_sync());
  if (auto taken = document_->receive(*connection.models_sync, text); !taken) {
    if (taken.error().status >= 500) return failed(taken.error());
    session_.counters().refused += 1;
    std::string data;
    json::Writer(data).begin_object().member("text", taken.error().message).end_object();
    session_.connections().tell(connection, Op::notice, std::move(data));
    return;
  }
  auto next = document_->next_message(*connection.models_sync);
  if (!next) {
    connection.models_sync.reset();
    return failed(next.error());
  }
  if (next->empty()) return;
  auto message = std::make_shared<Message>();
  message->kind = plugin::OutboundKind::sync;
  message->document = plugin::DocumentKind::models;
  message->payload = std::move(*next);
  connection.send(message);
}

bool ModelsFeed::has_blob(std::string_view sha256) const {
  const std::string name(sha256);
  return std::any_of(blobs_.begin(), blobs_.end(), [&](const auto& model) {
    return std::any_of(model.second.begin(), model.second.end(),
                       [&](const auto& key) { return key.second.contains(name); });
  });
}

}  // namespace lectern::session
