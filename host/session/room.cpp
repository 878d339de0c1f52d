#include "session/room.hpp"

#include <utility>

#include "base/clock.hpp"
#include "base/json.hpp"

namespace lectern::session {

Member& Room::add(Member member) {
  touch();
  const auto id = member.id;
  return members_.insert_or_assign(id, std::move(member)).first->second;
}

void Room::remove(MemberId id) {
  touch();
  members_.erase(id);
}

Member* Room::find(MemberId id) {
  const auto it = members_.find(id);
  return it == members_.end() ? nullptr : &it->second;
}

const Member* Room::find(MemberId id) const {
  const auto it = members_.find(id);
  return it == members_.end() ? nullptr : &it->second;
}

const Member* Room::find_client(std::string_view client_id) const {
  for (const auto& [id, member] : members_) {
    if (member.client_id == client_id) return &member;
  }
  return nullptr;
}

const Member* Room::editor() const {
  const Member* oldest = nullptr;
  for (const auto& [id, member] : members_) {
    if (member.grant != 0 && (oldest == nullptr || member.grant < oldest->grant)) oldest = &member;
  }
  return oldest;
}

std::size_t Room::grants() const {
  std::size_t count = 0;
  for (const auto& [id, member] : members_) count += member.grant != 0 ? 1 : 0;
  return count;
}

void Room::grant(Member& member, std::uint64_t epoch, std::int64_t now_ms) {
  touch();
  epoch_ = epoch;
  since_ms_ = now_ms;
  member.grant = epoch;
  member.caps = (cap_edit | cap_interact) & member.scope;
}

void Room::revoke(Member& member, std::uint32_t keeps, std::int64_t now_ms) {
  touch();
  since_ms_ = now_ms;
  member.grant = 0;
  member.reserved_until_ms = 0;
  member.caps = keeps & cap_interact & member.scope;
}

OpenRequest& Room::open_request(OpenRequest request) {
  touch();
  const auto id = next_request_++;
  request.id = id;
  return requests_.insert_or_assign(id, std::move(request)).first->second;
}

OpenRequest* Room::request(std::uint64_t id) {
  const auto it = requests_.find(id);
  return it == requests_.end() ? nullptr : &it->second;
}

OpenRequest Room::close_request(std::uint64_t id) {
  touch();
  auto node = requests_.extract(id);
  return std::move(node.mapped());
}

plugin::RoomSnapshot Room::snapshot(std::int64_t now_ms) const {
  plugin::RoomSnapshot copy;
  copy.version = version_;
  copy.epoch = epoch_;
  copy.now_ms = now_ms;
  copy.since_ms = since_ms_;
  if (const auto* holder = editor()) copy.holder = holder->id;
  copy.members.reserve(members_.size());
  for (const auto& [id, member] : members_) copy.members.push_back(member);
  copy.requests.reserve(requests_.size());
  for (const auto& [id, request] : requests_) copy.requests.push_back(request);
  return copy;
}

std::string_view role_name(const Member& member) {
  if (member.grant != 0) return "editor";
  return (member.caps & cap_interact) != 0 ? "interactor" : "viewer";
}

std::string capabilities_json(std::uint32_t caps) {
  std::string out = (caps & cap_edit) != 0 ? R"({"edit":true,)" : R"({"edit":false,)";
  out += (caps & cap_interact) != 0 ? R"("interact":true})" : R"("interact":false})";
  return out;
}

std::string who_json(const Member* member) {
  if (member == nullptr) return "null";
  std::string out;
  json::Writer(out)
      .begin_object()
      .member("client_id", member->client_id)
      .member("label", member->label)
      .member("device", member->device)
      .end_object();
  return out;
}

namespace {

std::string_view state_name(const Member& member) {
  switch (member.presence) {
    case plugin::Presence::present:
      return "present";
    case plugin::Presence::probing:
      return "probing";
    case plugin::Presence::lost:
      return "lost";
  }
  return "present";
}

void write_member(json::Writer& writer, const Member& member) {
  writer.begin_object()
      .member("client_id", member.client_id)
      .member("label", member.label)
      .member("role", role_name(member))
      .member("state", state_name(member))
      .member("device", member.device);
  if (!member.kind.empty()) writer.member("kind", member.kind);
  if (member.view_only()) writer.member("view_only", true);
  if (member.grant != 0) writer.member("epoch", member.grant);
  if (!member.focus_cell.empty()) writer.member("cell_id", member.focus_cell);
  writer.end_object();
}

}  // namespace

std::string room_state_json(const Room& room, std::int64_t wall_offset_ms) {
  const auto* editor = room.editor();
  std::string out;
  out.reserve(256 + room.members().size() * 160);
  json::Writer writer(out);
  writer.begin_object().member("epoch", room.epoch()).member_raw("editor", who_json(editor));
  if (editor != nullptr && editor->reserved_until_ms != 0) {
    writer.member("reserved_until", clock::rfc3339(editor->reserved_until_ms + wall_offset_ms));
  }
  writer.key("since");
  if (editor != nullptr) {
    writer.string(clock::rfc3339(room.since_ms() + wall_offset_ms));
  } else {
    writer.null();
  }
  writer.key("members").begin_array();
  for (const auto& [id, member] : room.members()) write_member(writer, member);
  writer.end_array();
  if (!room.shown().empty()) writer.member_raw("policy", room.shown());
  writer.end_object();
  return out;
}

}  // namespace lectern::session
