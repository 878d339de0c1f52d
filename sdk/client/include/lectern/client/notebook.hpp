// The notebook as the host's events say it is. Plain data: copy it, compare it, keep it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lectern/client/json.hpp"

namespace lectern::client {

/// [any] The plain text of an nbformat output.
std::string text_of(const Json& output);

struct Cell {
  std::string id;
  std::string cell_type;  // code, markdown, raw
  std::string source;
  Json metadata = Json::Object{};
  std::vector<Json> outputs;  // as nbformat has them; a large value is {"$blob", size, media_type} (Session::blob)
  std::optional<std::int64_t> execution_count;
  std::string status = "idle";  // queued, running, idle, error, cancelled

  /// What its outputs read as plain text.
  [[nodiscard]] std::string text() const;
};

struct Person {
  std::string client_id;
  std::string label;
  std::string device;
  bool operator==(const Person&) const = default;
};

/// The kernel waits for a line (`input()` in Python). Answered by Session::answer_input.
struct InputRequest {
  std::string request_id;
  std::string prompt;
  bool password = false;
};

/// State of one widget model, by key. A binary value stands in its place as {"$base64": text}.
using ModelState = std::map<std::string, Json, std::less<>>;

struct Model {
  std::uint64_t seq = 0;  // lower for one that was opened before another
  ModelState state;
  std::string target_name;     // "jupyter.widget", or what else the kernel opened it for
  std::string cell_id;         // whose run made it; may be empty
  std::uint64_t revision = 0;  // rises with each change of its state
};

/// A model with its id: one entry of the models document (protocol 3).
struct Comm {
  std::string comm_id;
  Model model;
};

struct Notebook {
  std::vector<Cell> cells;
  Json metadata = Json::Object{};
  std::uint64_t version = 0;
  std::optional<Person> editor;  // who has the pen
  std::vector<Person> members;
  std::string kernel;                                // none, starting, idle, busy, restarting, dead, unreachable
  std::string runtime;                               // <plugin>/<kernel>; empty when there is none
  std::string save_state;                            // saved, saving, dirty, failed
  std::vector<InputRequest> inputs;                  // that nobody has answered yet; only told to who may interact
  std::map<std::string, Model, std::less<>> models;  // by id
  std::uint64_t models_opened = 0;                   // the newest one's seq

  /// Null when there is none; until the notebook changes.
  [[nodiscard]] const Cell* find(std::string_view cell_id) const;
  [[nodiscard]] Cell* find(std::string_view cell_id);
  /// The models, sorted by `seq`.
  [[nodiscard]] std::vector<Comm> comms() const;
};

/// The answer to open and create. Count and errors in it are final: the file was parsed before it was given.
struct ConnectionInfo {
  std::string protocol;
  std::string notebook_id;
  std::string session_id;
  std::string path;
  std::string format;
  std::uint64_t cell_count = 0;
  bool needs_trust_approval = false;
  std::string connect_url;
};

struct Capabilities {
  bool edit = false;
  bool interact = false;
};

/// All that a session knows at one moment.
struct View {
  ConnectionInfo info;
  Notebook notebook;
  Capabilities capabilities;
  std::optional<std::uint64_t> epoch;  // of our own grant
  std::string client_id;
  bool connected = false;      // false while the connection is gone, or the replay not over
  std::uint64_t links = 0;     // connections so far: 1 after opening, one more for each time it came back
  std::string replay;          // how the present connection began: "snapshot" or "gap"
  bool resumed = false;        // we still had our place in the room
  Json ready;                  // the present connection's kernel-ready, without the notebook in it
  std::optional<Error> ended;  // why the session is over

  [[nodiscard]] bool can_edit() const { return capabilities.edit; }
};

}  // namespace lectern::client
