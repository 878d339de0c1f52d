#include "session/handlers.hpp"

#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"
#include "session/attendance.hpp"
#include "session/cursors.hpp"
#include "session/editing.hpp"
#include "session/history.hpp"
#include "session/live_session.hpp"
#include "session/outside.hpp"
#include "session/policy_driver.hpp"
#include "session/running.hpp"
#include "session/saver.hpp"
#include "session/takeovers.hpp"
#include "session/trust.hpp"

namespace lectern::session {
namespace {

void answer(Invocation& invocation, const Status& status) {
  status ? invocation.ok() : invocation.error(status.error());
}

}  // namespace

void handle_complete(LiveSession& session, Invocation invocation) {
  session.running().kernel_request(std::move(invocation), "complete");
}
void handle_inspect(LiveSession& session, Invocation invocation) {
  session.running().kernel_request(std::move(invocation), "inspect");
}
void handle_is_complete(LiveSession& session, Invocation invocation) {
  session.running().kernel_request(std::move(invocation), "is_complete");
}
void handle_history(LiveSession& session, Invocation invocation) {
  session.running().kernel_request(std::move(invocation), "history");
}

void handle_room(LiveSession& session, Invocation invocation) {
  invocation.ok("{\"room\":" + room_state_json(session.room(), session.wall_offset_ms()) + "}");
}

void handle_ping(LiveSession&, Invocation invocation) {
  invocation.ok();
}

void handle_focus(LiveSession& session, Invocation invocation) {
  auto* member = session.room().find(invocation.member);
  member->focus_cell = text::label(invocation.text("cell_id"), 128);
  member->focus_line = invocation.number("line");
  member->focus_column = invocation.number("column");
  if (member->grant != 0) {
    std::string data;
    json::Writer writer(data);
    writer.begin_object().member("cell_id", member->focus_cell);
    if (member->focus_line) writer.member("line", *member->focus_line);
    if (member->focus_column) writer.member("column", *member->focus_column);
    writer.member_raw("by", who_json(member)).end_object();
    Publishing how;
    how.origin = member->client_id;
    session.connections().publish(Op::focus_cell, std::move(data), std::move(how));
  }
  session.connections().room_changed();
  invocation.ok();
}

void handle_cursor(LiveSession& session, Invocation invocation) {
  session.cursors().set(std::move(invocation));
}
void handle_variables(LiveSession& session, Invocation invocation) {
  session.running().kernel_request(std::move(invocation), "variables");
}

void handle_takeover(LiveSession& session, Invocation invocation) {
  session.takeovers().takeover(std::move(invocation));
}
void handle_answer(LiveSession& session, Invocation invocation) {
  session.takeovers().answer(std::move(invocation));
}
void handle_withdraw(LiveSession& session, Invocation invocation) {
  session.takeovers().withdraw(std::move(invocation));
}

void handle_act(LiveSession& session, Invocation invocation) {
  const auto verb = invocation.text("verb");
  const auto actions = json::parse(session.policies().current()->actions_json());
  const json::Value* action = nullptr;
  if (actions && actions->is_array()) {
    for (const auto& one : *actions->as_array()) {
      const auto* name = one.find("verb");
      if (name != nullptr && name->is_string() && *name->as_string() == verb) action = &one;
    }
  }
  if (action == nullptr) {
    return invocation.error(404, "unknown_action", "the policy has no action '" + text::label(verb, 40) + "'",
                            "kernel-ready lists the policy's actions");
  }
  const auto* member = session.room().find(invocation.member);
  const auto* tier = action->find("tier");
  const auto needed = tier != nullptr && tier->is_string() ? *tier->as_string() : std::string("read");
  if ((needed == "edit" && member->grant == 0) || (needed == "interact" && (member->caps & cap_interact) == 0)) {
    return invocation.error(403, "read_only", "the action '" + verb + "' needs the " + needed + " capability");
  }
  PolicyDriver::Entry entry;
  entry.reason = "policy";
  entry.event.kind = plugin::EventKind::action;
  entry.event.who = invocation.member;
  entry.event.verb = verb;
  if (const auto target = invocation.text("target"); !target.empty()) {
    const auto* aim = session.room().find_client(target);
    if (aim == nullptr) return invocation.error(404, "unknown_client", "the target is not in the room");
    entry.event.target = aim->id;
  }
  if (const auto* data = invocation.body.find("data"); data != nullptr && !data->is_null()) {
    entry.event.json = json::write(*data);
    if (entry.event.json.size() > 4096) return invocation.error(413, "too_large", "body.data has more than 4096 bytes");
  }
  entry.settled = [invocation = std::make_shared<Invocation>(std::move(invocation))](const Result<Applied>& result) {
    result ? invocation->ok() : invocation->error(result.error());
  };
  session.policies().push(std::move(entry));
}

void handle_sync(LiveSession& session, Invocation invocation) {
  auto& editing = session.editing();
  auto* connection = session.connections().find(invocation.connection);
  const auto& history = session.prepared().notebook.history_id;
  const auto stated = invocation.text("history_id");
  std::vector<document::ChangeHash> heads;
  for (const auto& head : *invocation.body.find("heads")->as_array()) {
    auto hash = document::ChangeHash::from_hex(*head.as_string());
    if (!hash)
      return invocation.error(json::error_at("body.heads", " holds something that is not a 64-digit hex hash"));
    heads.push_back(*hash);
  }
  editing.when_quiet([&session, &editing, connection_id = connection == nullptr ? 0 : connection->id(), history, stated,
                      heads = std::move(heads), invocation = std::move(invocation)]() mutable {
    auto missing = editing.shown().changes_since(heads);
    const bool known = missing.has_value() && (stated.empty() || stated == history);
    std::string out;
    json::Writer(out)
        .begin_object()
        .member("known", known)
        .member_raw("heads", editing.heads_json())
        .member("history_id", history)
        .end_object();
    auto* here = session.connections().find(connection_id);
    if (known && here != nullptr) {
      auto message = std::make_shared<Message>();
      message->kind = plugin::OutboundKind::changes;
      message->document = plugin::DocumentKind::notebook;
      json::Writer(message->data)
          .begin_object()
          .member_raw("by", "null")
          .member("version", editing.shown_version())
          .end_object();
      for (const auto& chunk : *missing) {
        message->payload += chunk;
        message->sizes.push_back(chunk.size());
      }
      here->document_ready = here->options().document_changes;
      here->send(message);
    }
    invocation.ok(std::move(out));
  });
}

void handle_model(LiveSession& session, Invocation invocation) {
  session.running().model(std::move(invocation));
}
void handle_input(LiveSession& session, Invocation invocation) {
  session.running().input(std::move(invocation));
}

void handle_transaction(LiveSession& session, Invocation invocation) {
  session.editing().transaction(std::move(invocation));
}
void handle_restore(LiveSession& session, Invocation invocation) {
  session.history().restore(std::move(invocation));
}
void handle_undo(LiveSession& session, Invocation invocation) {
  session.editing().take_back(std::move(invocation), Editing::Direction::undo);
}
void handle_redo(LiveSession& session, Invocation invocation) {
  session.editing().take_back(std::move(invocation), Editing::Direction::redo);
}
void handle_execute(LiveSession& session, Invocation invocation) {
  session.running().execute(std::move(invocation));
}

void handle_interrupt(LiveSession& session, Invocation invocation) {
  answer(invocation, session.running().runtime().interrupt());
}
void handle_restart(LiveSession& session, Invocation invocation) {
  session.running().restart(std::move(invocation));
}
void handle_shutdown_kernel(LiveSession& session, Invocation invocation) {
  answer(invocation, session.running().runtime().shutdown());
}
void handle_start_kernel(LiveSession& session, Invocation invocation) {
  session.running().start_kernel(std::move(invocation));
}
void handle_save(LiveSession& session, Invocation invocation) {
  session.saver().save(std::move(invocation));
}
void handle_resolve(LiveSession& session, Invocation invocation) {
  session.outside().resolve(std::move(invocation));
}
void handle_clear_outputs(LiveSession& session, Invocation invocation) {
  session.running().clear_outputs(std::move(invocation));
}

void handle_format(LiveSession& session, Invocation invocation) {
  session.running().kernel_request(std::move(invocation), "format");
}
void handle_gather(LiveSession& session, Invocation invocation) {
  session.cursors().gather(std::move(invocation));
}

void handle_trust(LiveSession& session, Invocation invocation) {
  session.trust().approve(std::move(invocation));
}

void handle_release(LiveSession& session, Invocation invocation) {
  session.attendance().release(*session.room().find(invocation.member), "released");
  invocation.ok();
}

}  // namespace lectern::session
