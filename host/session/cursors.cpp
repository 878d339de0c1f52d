#include "session/cursors.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "session/connections.hpp"
#include "session/live_session.hpp"

namespace lectern::session {
namespace {

constexpr std::size_t most_shown = 32;
constexpr std::size_t longest_position = 200;  // an Automerge cursor: a counter, '@', an actor in hex
constexpr std::int64_t between_ms = 50;
constexpr int most_in_second = 40;
constexpr std::int64_t pointer_ms = 4'000;  // readers have faded it by then
constexpr std::int64_t gather_every_ms = 1'000;

bool is_position(std::string_view text) {
  return text.size() <= longest_position && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '@' || c == '-';
         });
}

// Thousandths of a number from 0 to 1.
std::optional<std::uint64_t> thousandths(const json::Value& pointer, std::string_view key) {
  const auto* value = pointer.find(key);
  const auto number = value == nullptr ? std::nullopt : value->as_double();
  if (!number || !(*number >= 0 && *number <= 1)) return std::nullopt;
  return static_cast<std::uint64_t>(std::lround(*number * 1000));
}

}  // namespace

Cursors::Cursors(LiveSession& session) : session_(session), timer_(session.loop()) {}

void Cursors::set(Invocation invocation) {
  const auto now = clock::now_ms();
  auto& cursor = cursors_[invocation.member];
  if (now - cursor.second_ms >= 1000) {
    cursor.second_ms = now;
    cursor.in_second = 0;
  }
  if (++cursor.in_second > most_in_second) {
    return invocation.error(429, "too_fast", "a client moves its cursor at most 40 times a second",
                            "send only the newest position");
  }
  auto anchor = invocation.text("anchor");
  auto head = invocation.text("head");
  if (!is_position(anchor) || !is_position(head)) {
    return invocation.error(json::error_at(is_position(anchor) ? "body.head" : "body.anchor",
                                           " is not an Automerge cursor",
                                           "send what getCursor gives for the cell's source"));
  }
  std::optional<Pointer> pointer;
  if (const auto* given = invocation.body.find("pointer"); given != nullptr && !given->is_null()) {
    const auto x = thousandths(*given, "x");
    const auto y = thousandths(*given, "y");
    if (!x || !y) {
      return invocation.error(json::error_at("body.pointer", " needs x and y, each from 0 to 1",
                                             "they are parts of the cell's width and height"));
    }
    pointer = Pointer{*x, *y, ++pointings_, now};
  }
  cursor.cell_id = text::label(invocation.text("cell_id"), 128);
  cursor.anchor = std::move(anchor);
  cursor.head = std::move(head);
  cursor.pointer = pointer;
  cursor.moved_ms = now;
  changed();
  invocation.ok();
}

void Cursors::gather(Invocation invocation) {
  const auto now = clock::now_ms();
  if (gathered_ms_ != 0 && now - gathered_ms_ < gather_every_ms) {
    return invocation.error(429, "too_fast", "everybody was called less than a second ago", "wait a moment");
  }
  gathered_ms_ = now;
  const auto* member = session_.room().find(invocation.member);
  std::string data;
  json::Writer(data)
      .begin_object()
      .member("cell_id", text::label(invocation.text("cell_id"), 128))
      .member_raw("by", who_json(member))
      .end_object();
  Publishing how;
  how.origin = member->client_id;
  session_.connections().publish(Op::gather, std::move(data), std::move(how));
  invocation.ok();
}

bool Cursors::shown(MemberId member, const Cursor& cursor) const {
  const auto* who = session_.room().find(member);
  return who != nullptr && who->presence != plugin::Presence::lost && !cursor.cell_id.empty();
}

void Cursors::people_changed() {
  const auto gone = std::erase_if(cursors_, [this](const auto& entry) {
    const auto* who = session_.room().find(entry.first);
    return who == nullptr || who->presence == plugin::Presence::lost;
  });
  if (gone != 0) changed();
}

void Cursors::changed() {
  if (timer_.armed()) return;
  const auto members = static_cast<std::int64_t>(session_.room().members().size());
  const auto pause = members < large_room ? between_ms : between_ms + 2 * members;
  const auto wait = std::max<std::int64_t>(0, sent_ms_ + pause - clock::now_ms());
  timer_.start(std::chrono::milliseconds(wait), [this] { send(); });
}

void Cursors::send() {
  sent_ms_ = clock::now_ms();
  session_.connections().publish(Op::cursors, state_json());
}

std::string Cursors::state_json() {
  const auto now = clock::now_ms();
  std::vector<std::pair<MemberId, Cursor*>> newest;
  for (auto& [member, cursor] : cursors_) {
    if (cursor.pointer && now - cursor.pointer->at_ms > pointer_ms) cursor.pointer.reset();
    if (shown(member, cursor)) newest.emplace_back(member, &cursor);
  }
  if (newest.size() > most_shown) {
    std::nth_element(newest.begin(), newest.begin() + most_shown, newest.end(),
                     [](const auto& a, const auto& b) { return a.second->moved_ms > b.second->moved_ms; });
    newest.resize(most_shown);
  }
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("cursors").begin_array();
  for (const auto& [member, cursor] : newest) {
    writer.begin_object().member("client_id", session_.room().find(member)->client_id);
    writer.member("cell_id", cursor->cell_id);
    if (!cursor->anchor.empty()) writer.member("anchor", cursor->anchor);
    if (!cursor->head.empty()) writer.member("head", cursor->head);
    if (const auto& at = cursor->pointer) {
      writer.key("pointer").begin_object();
      writer.member("x", at->x).member("y", at->y).member("n", at->n).end_object();
    }
    writer.end_object();
  }
  writer.end_array().end_object();
  return out;
}

}  // namespace lectern::session
