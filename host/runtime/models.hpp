// The one store of a session's models (widgets): id, target, state, buffers, revision, order. Everything [reactor].
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"

namespace lectern::runtime {

enum class ModelMethod { open, update, custom, close };
std::string_view model_method_name(ModelMethod method);

using Buffer = std::shared_ptr<const std::string>;  // shared: one buffer goes to every viewer and stays in the store

struct ModelEvent {
  ModelMethod method = ModelMethod::update;
  std::string model_id;
  std::uint64_t revision = 0;
  std::string origin;           // client id of the writer; empty = the kernel
  std::string cell_id;          // whose run made the model; may be empty
  std::uint64_t execution = 0;  // of an `open`: that run, as the kernel knows it; no client is told
  json::Value message;          // {method, state?, content?, buffer_paths?}
  std::vector<Buffer> buffers;
  [[nodiscard]] bool recorded() const { return method != ModelMethod::custom; }
  /// `data` of a model-lifecycle event (protocol 5). With `inline_buffers` false, `buffers` is [] and they go in an 05
  /// frame.
  [[nodiscard]] std::string data(bool inline_buffers = true) const;
};

/// What goes to the kernel for an accepted client write, its buffers apart.
struct CommMessage {
  std::string comm_id;
  std::string data;  // JSON; empty: what the event says
};

struct ModelLimits {
  std::size_t models = 20'000;
  std::size_t message_bytes = 64u << 20;  // JSON and buffers of one message
  std::size_t buffers = 4'096;            // of one message
};

struct ClientWrite {
  ModelEvent event;  // for everybody but event.origin, once it is applied
  CommMessage to_kernel;

  /// The JSON that the kernel gets with event.buffers. Written when it goes: of those that are joined only the last.
  [[nodiscard]] std::string kernel_data() const;
};

/// Makes two updates of one model and one writer one: the later one's keys, with their buffers, replace the earlier
/// one's.
void join(ClientWrite& earlier, ClientWrite later);

class ModelStore {
 public:
  explicit ModelStore(ModelLimits limits = {});

  // -- from the kernel. An error means the message was malformed and is dropped.
  /// `execution` is the run of `cell_id` that made it, 0 = none of ours. A later `revision` than 1 is that of a model
  /// which an earlier host had.
  Result<ModelEvent> open(std::string_view model_id, std::string_view target, std::string_view data_json,
                          std::vector<std::string> buffers, std::string_view cell_id, std::uint64_t execution = 0,
                          std::uint64_t revision = 1);
  /// No event (empty vector) for an echo of a client's own write, for an unknown model (a race with its close), and for
  /// an update that changes nothing.
  Result<std::vector<ModelEvent>> message(std::string_view model_id, std::string_view data_json,
                                          std::vector<std::string> buffers);
  std::vector<ModelEvent> close(std::string_view model_id);
  /// The kernel is gone: every model closes.
  std::vector<ModelEvent> close_all();

  // -- from a client (protocol 4 `model`)
  /// What it comes to; nothing changes before apply(). `message` = {method:"update"|"custom", state, buffer_paths,
  /// content}. `state` patches top-level keys. 400 with the path for wrong shapes, for buffer paths and buffers of
  /// different counts, for paths that lead nowhere, for `_esm` and `_css`; 404 `model_not_found`; 413 `too_large`.
  Result<ClientWrite> client_write(std::string_view model_id, const json::Value& message,
                                   std::vector<std::string> buffers, std::string_view client_id) const;
  /// The kernel took it, and it is the state from now on: the event gets its revision. A model that is gone meanwhile
  /// changes nothing.
  void apply(ClientWrite& write);

  // -- from the host itself
  /// Sets one key, which holds no buffers: an update for everybody. Nothing when there is no such model, or nothing
  /// changes.
  std::optional<ModelEvent> host_write(std::string_view model_id, std::string_view key, json::Value value);

  // -- for joiners
  /// One `open` per live model with its present state, in order of creation.
  [[nodiscard]] std::vector<ModelEvent> snapshot() const;
  /// The same of one; nothing when there is no such model.
  [[nodiscard]] std::optional<ModelEvent> as_open(std::string_view model_id) const;
  /// The cell of a run that made a model which is still there; null when none is. Valid until the store changes.
  [[nodiscard]] const std::string* cell_of_run(std::uint64_t execution) const;
  /// A model as it is now; valid until the store changes.
  struct View {
    std::string_view target, cell_id;
    std::uint64_t order = 0, revision = 0;
    std::vector<std::string> keys;  // of the state, those that hold nothing but a buffer included
  };
  /// Nothing when there is no such model.
  [[nodiscard]] std::optional<View> view(std::string_view model_id) const;
  [[nodiscard]] std::vector<std::string> ids() const;
  /// View::order of the model that was made last; later ones are greater.
  [[nodiscard]] std::uint64_t last_order() const { return next_seq_ - 1; }
  /// One key of a model's state, with `place(buffer)` where its buffers lie. Null when there is no such key.
  [[nodiscard]] json::Value state_at(std::string_view model_id, std::string_view key,
                                     const std::function<json::Value(const Buffer&)>& place) const;
  [[nodiscard]] bool has(std::string_view model_id) const;
  [[nodiscard]] std::size_t size() const { return by_seq_.size(); }

 private:
  struct Model;
  Model* find(std::string_view model_id) const;
  void forget(const Model& model);

  ModelLimits limits_;
  std::map<std::string, std::shared_ptr<Model>, std::less<>> by_id_;
  std::map<std::uint64_t, std::shared_ptr<Model>> by_seq_;
  struct Run {
    std::string cell_id;
    std::size_t models = 0;
  };
  std::map<std::uint64_t, Run> runs_;  // that made those there are
  std::uint64_t next_seq_ = 1;
};

}  // namespace lectern::runtime
