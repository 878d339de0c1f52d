#include "session/snapshot.hpp"

#include <cassert>
#include <string>
#include <utility>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "session/attendance.hpp"
#include "session/cursors.hpp"
#include "session/editing.hpp"
#include "session/live_session.hpp"
#include "session/models_feed.hpp"
#include "session/outside.hpp"
#include "session/policy_driver.hpp"
#include "session/running.hpp"
#include "session/saver.hpp"
#include "session/takeovers.hpp"
#include "session/trust.hpp"

namespace lectern::session {
namespace {

std::string host_capabilities() {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("commands").begin_array();
  for (const auto& command : commands()) writer.string(command.name);
  writer.end_array().end_object();
  return out;
}

void write_client(json::Writer& writer, Connection& connection) {
  writer.key("client").begin_object().member("id", connection.client()->id);
  if (!connection.secret.empty()) writer.member("secret", connection.secret);
  writer.end_object();
}

void write_policy(json::Writer& writer, const plugin::Policy& policy) {
  writer.key("policy")
      .begin_object()
      .member("id", policy.id())
      .member("multi_editor", policy.multi_editor())
      .member_raw("actions", policy.actions_json().empty() ? std::string_view("[]") : policy.actions_json())
      .end_object();
}

std::string kernel_ready(LiveSession& session, Connection& connection, bool resumed, bool gap) {
  auto& client = *connection.client();
  const auto* member = session.room().find(client.number);
  const auto& notebook = session.prepared().notebook;
  static const std::string offered = host_capabilities();
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("protocol", "lectern.v1")
      .member("device_name", session.services().device_name)
      .member("session_id", session.id())
      .member("notebook_id", notebook.notebook_id)
      .member("path", notebook.path);
  write_client(writer, connection);
  writer.member("actor", client.actors.back())
      .member("incarnation", connection.incarnation)
      .member("resumed", resumed)
      .member("replay", gap ? "gap" : "snapshot")
      .member_raw("consumer_capabilities", capabilities_json(member == nullptr ? 0 : member->caps));
  if (member != nullptr && member->grant != 0) writer.member("epoch", member->grant);
  writer.member("stream", session.connections().stream())
      .member("history_id", notebook.history_id)
      .member_raw("requests", session.takeovers().open_json())
      .member_raw("capabilities", offered)
      .member_raw("room", room_state_json(session.room(), session.wall_offset_ms()));
  write_policy(writer, *session.policies().current());
  const auto edits = session.prepared().behind.edits;
  const std::uint64_t cells = session.running().brought_back();
  if (edits > 0 || cells > 0) {
    writer.key("recovered").begin_object().member("edits", edits);
    if (cells > 0) writer.member("cells", cells);
    writer.end_object();
  }
  if (!notebook.notices.empty()) {
    writer.key("notices").begin_array();
    for (const auto& text : notebook.notices) writer.string(text);
    writer.end_array();
  }
  if (!gap && connection.options().notebook) writer.member_raw("notebook", session.editing().notebook_json());
  writer.member_raw("kernel", session.running().kernel_status())
      .member("seq", session.connections().seq())
      .end_object();
  return out;
}

// The end of both kinds: what is shown in its latest state only, the document, and that this was all.
void add_end(Replay& replay, LiveSession& session, Connection& connection) {
  replay.add(Op::save_state, session.saver().state_json());
  if (auto conflict = session.outside().conflict_json(); !conflict.empty()) {
    replay.add(Op::conflict, std::move(conflict));
  }
  if (auto trust = session.trust().state_json(); !trust.empty()) replay.add(Op::trust_state, std::move(trust));
  if (!session.cursors().empty()) replay.add(Op::cursors, session.cursors().state_json());
  for (auto& data : session.running().open_inputs()) {
    const auto* member = session.room().find(connection.client()->number);
    if (member != nullptr && (member->caps & cap_interact) != 0) replay.add(Op::input_request, std::move(data));
  }
  if (connection.options().document_changes && session.editing().built()) {
    if (auto document = session.editing().document_for(connection)) replay.add(std::move(document));
  }
  std::string data;
  json::Writer(data).begin_object().member("seq", session.connections().seq()).end_object();
  replay.add(Op::replay_complete, std::move(data));
}

// False when there is no document to be had: its readers do without.
bool add_models_document(Replay& replay, LiveSession& session, Connection& connection) {
  auto document = session.models_feed().document_for(connection);
  if (!document) return false;
  replay.add_opening(std::move(document), session.running().runtime().model_store().ids());
  return true;
}

// Of the models that there are at this moment; outputs are looked at when they leave.
Replay::Order order_of_models(LiveSession& session) {
  auto& store = session.running().runtime().model_store();
  Replay::Order order;
  order.exists = [&store, last = store.last_order()](const std::string& id) {
    const auto view = store.view(id);
    return view && view->order <= last;
  };
  order.broken = [&session](const std::string& id) {
    log::error("session", "a snapshot of " + session.path() + " has an output of the widget model " +
                              text::label(id, 80) + " before the model, or without it: please report this");
    assert(false && "models come before the outputs that name them");
  };
  return order;
}

// Before everything that may name a model; true when the viewer has them all then.
bool add_models(Replay& replay, LiveSession& session, Connection& connection) {
  if (connection.options().models_document) return add_models_document(replay, session, connection);
  session.running().add_models(replay);
  return true;
}

void add_snapshot(Replay& replay, LiveSession& session, Connection& connection, bool resumed) {
  replay.add(Op::kernel_ready, kernel_ready(session, connection, resumed, false));
  if (add_models(replay, session, connection)) replay.is_snapshot(order_of_models(session));
  session.running().add_cells(replay);
  add_end(replay, session, connection);
}

void add_gap(Replay& replay, LiveSession& session, Connection& connection, std::uint64_t after, bool resumed) {
  replay.add(Op::kernel_ready, kernel_ready(session, connection, resumed, true));
  if (connection.options().models_document) (void)add_models_document(replay, session, connection);
  for (auto& entry : session.connections().ring().after(after)) {
    if (!session.connections().hears(connection, *entry.message)) continue;
    const bool author = entry.for_author && entry.message->origin == connection.client()->id;
    replay.add(std::move(author ? entry.for_author : entry.message));
  }
  add_end(replay, session, connection);
}

}  // namespace

void start_connection(LiveSession& session, Connection& connection, bool resumed) {
  session.editing().when_quiet([weak = session.weak_from_this(), id = connection.id(), resumed] {
    const auto alive = weak.lock();
    auto* here = alive ? alive->connections().find(id) : nullptr;
    if (here == nullptr || here->closing() || here->live()) return;
    auto& connections = alive->connections();
    const auto& resume = here->options().resume;
    here->go_live();
    const bool gap = resume && resume->stream == connections.stream() && connections.ring().reaches(resume->seq);
    Replay replay;
    if (gap) {
      add_gap(replay, *alive, *here, resume->seq, resumed);
    } else {
      // Whoever starts from a snapshot starts a new document, which must not reuse the numbers of an old one's changes.
      if (resumed && !here->options().heads) {
        Clients::new_actor(*here->client());
        alive->ledger().client(*here->client());
      }
      add_snapshot(replay, *alive, *here, resumed);
    }
    here->begin_replay(std::move(replay));
    here->handle_early_frames();
  });
}

void send_resync(LiveSession& session, Connection& connection) {
  session.editing().when_quiet([weak = session.weak_from_this(), id = connection.id()] {
    const auto alive = weak.lock();
    auto* here = alive ? alive->connections().find(id) : nullptr;
    if (here == nullptr || here->closing()) return;
    here->resync_begins();
    Replay replay;
    replay.add(Op::resync, R"({"reason":"the connection was too slow; a fresh snapshot follows"})");
    add_snapshot(replay, *alive, *here, true);
    here->begin_replay(std::move(replay));
  });
}

}  // namespace lectern::session
