// The widget models of a session for `models=document` connections: the model store shown as the `comms` map of a
// second Automerge document (protocol 3). The store stays the one truth; the document is made when the first
// such connection comes, and follows the store from then on, each model at most once per pause.
//
// comms[model_id] = {target_name, model_module, model_name, cell_id?, seq, revision, state: {key: value}}; `seq` orders
// models by creation. A buffer stands in its place as {"$blob", "size", "media_type"}. After so many changes
// (Settings::models_changes) a fresh document of another history takes the place of the one that grew.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/loop.hpp"
#include "document/models_document.hpp"
#include "runtime/models.hpp"
#include "session/message.hpp"

namespace lectern::session {

class Connection;
class LiveSession;

/// Everything [reactor].
class ModelsFeed {
 public:
  explicit ModelsFeed(LiveSession& session);

  /// An `open`, `update` or `close` of the store, which has it already.
  void changed(const runtime::ModelEvent& event);
  /// An output is about to be told that may name a new model: whoever reads the document hears of the model first.
  void before_output();
  /// `06`, or `04` with the changes since the heads the client states; `04` follow from now on. Null when there is no
  /// document to be had.
  [[nodiscard]] MessagePtr document_for(Connection& connection);
  /// A `02`: what the client has and lacks. Its own changes are not taken: models are written by the command `model`.
  void sync_message(Connection& connection, std::string_view message);
  /// A buffer of a model that the document names.
  [[nodiscard]] bool has_blob(std::string_view sha256) const;

 private:
  struct Stale {
    bool whole = false;
    std::set<std::string> keys;
  };
  [[nodiscard]] bool heard() const;
  bool make();
  void flush();
  std::string write_stale();
  void begin_again();
  [[nodiscard]] MessagePtr whole();
  void write(const std::string& model_id, const Stale& stale);
  json::Value placed(const std::string& model_id, const std::string& key);
  void put(const std::vector<std::string>& path, const std::optional<std::string>& value);
  void failed(const Error& error);
  void give_up();
  void tell(const std::string& chunk);
  [[nodiscard]] std::string heads_json();

  LiveSession& session_;
  std::optional<document::ModelsDocument> document_;
  std::string history_;
  std::uint64_t version_ = 0, made_ = 0;
  std::map<std::string, Stale> stale_;
  bool opened_ = false, broken_ = false;
  bool given_up_ = false;  // for as long as the session lives
  int refusals_ = 0;       // documents in a row that did not take what they were to hold
  // sha256 of the buffers below each key of each model
  std::map<std::string, std::map<std::string, std::set<std::string>>, std::less<>> blobs_;
  Timer pause_;
};

}  // namespace lectern::session
