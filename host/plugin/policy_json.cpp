#include "plugin/policy_json.hpp"

#include <utility>

#include "base/json.hpp"

namespace lectern::plugin {
namespace {

void write_text(json::Writer& writer, std::string_view key, const std::string& text) {
  if (!text.empty()) writer.member(key, text);
}
template <class Number>
void write_number(json::Writer& writer, std::string_view key, Number number) {
  if (number != 0) writer.member(key, number);
}
void write_bits(json::Writer& writer, std::string_view key, std::uint32_t bits) {
  write_number(writer, key, static_cast<std::uint64_t>(bits));
}

void write_member(json::Writer& writer, const Member& member) {
  writer.begin_object().member("id", member.id).member("scope", static_cast<std::uint64_t>(member.scope));
  write_bits(writer, "presence", static_cast<std::uint32_t>(member.presence));
  write_bits(writer, "caps", member.caps);
  write_bits(writer, "flags", member.flags);
  write_number(writer, "grant", member.grant);
  write_number(writer, "joined_ms", member.joined_ms);
  write_number(writer, "seen_ms", member.seen_ms);
  write_number(writer, "edited_ms", member.edited_ms);
  write_number(writer, "reserved_until_ms", member.reserved_until_ms);
  write_number(writer, "scope_until_ms", member.scope_until_ms);
  write_text(writer, "principal", member.principal);
  write_text(writer, "label", member.label);
  write_text(writer, "device", member.device);
  writer.end_object();
}

void write_request(json::Writer& writer, const Request& request) {
  writer.begin_object().member("id", request.id).member("from", request.from);
  write_number(writer, "asked", request.asked);
  write_number(writer, "if_epoch", request.if_epoch);
  write_number(writer, "at_ms", request.at_ms);
  write_number(writer, "deadline_ms", request.deadline_ms);
  write_text(writer, "reason", request.reason);
  writer.end_object();
}

void write_room(json::Writer& writer, const RoomSnapshot& room) {
  writer.begin_object()
      .member("version", room.version)
      .member("epoch", room.epoch)
      .member("holder", room.holder)
      .member("now_ms", room.now_ms)
      .member("since_ms", room.since_ms);
  writer.key("members").begin_array();
  for (const auto& member : room.members) write_member(writer, member);
  writer.end_array().key("requests").begin_array();
  for (const auto& request : room.requests) write_request(writer, request);
  writer.end_array().end_object();
}

void write_event(json::Writer& writer, const PolicyEvent& event) {
  writer.begin_object().member("kind", event_name(event.kind)).member("seq", event.seq);
  write_number(writer, "who", event.who);
  write_number(writer, "target", event.target);
  write_number(writer, "request", event.request);
  write_number(writer, "timer", event.timer);
  write_bits(writer, "value", event.value);
  write_text(writer, "verb", event.verb);
  write_text(writer, "json", event.json);
  writer.end_object();
}

void write_effect(json::Writer& writer, const Effect& effect) {
  writer.begin_object().member("kind", effect_name(effect.kind));
  write_bits(writer, "caps", effect.caps);
  if (effect.kind == EffectKind::resolve) writer.member("allow", effect.allow);
  write_number(writer, "target", effect.target);
  write_number(writer, "request", effect.request);
  write_number(writer, "timer", effect.timer);
  write_number(writer, "at_ms", effect.at_ms);
  write_text(writer, "text", effect.text);
  writer.end_object();
}

/// Reads members of one object; the first that is wrong is remembered, and the rest reads as absent.
class Reader {
 public:
  Reader(const json::Value& object, std::string path, std::string& wrong)
      : object_(object), path_(std::move(path)), wrong_(wrong) {
    if (!object.is_object()) note(path_ + " must be an object");
  }
  template <class Number>
  void number(std::string_view key, Number& to) const {
    const auto* found = object_.find(key);
    if (found == nullptr) return;
    const auto value = found->as_int();
    if (!value || (!std::is_signed_v<Number> && *value < 0)) return note(of(key) + " must be a whole number");
    to = static_cast<Number>(*value);
  }
  void text(std::string_view key, std::string& to) const {
    const auto* found = object_.find(key);
    if (found == nullptr) return;
    if (found->as_string() == nullptr) return note(of(key) + " must be a string");
    to = *found->as_string();
  }
  void flag(std::string_view key, bool& to) const {
    const auto* found = object_.find(key);
    if (found == nullptr) return;
    if (!found->as_bool()) return note(of(key) + " must be true or false");
    to = *found->as_bool();
  }
  [[nodiscard]] const json::Value& object(std::string_view key) const {
    static const json::Value none{json::Object{}};
    const auto* found = object_.find(key);
    if (found == nullptr || !found->is_object()) note(of(key) + " must be an object");
    return found != nullptr && found->is_object() ? *found : none;
  }
  [[nodiscard]] const json::Array& array(std::string_view key) const {
    static const json::Array none;
    const auto* found = object_.find(key);
    if (found == nullptr) return none;
    if (found->as_array() == nullptr) note(of(key) + " must be an array");
    return found->as_array() != nullptr ? *found->as_array() : none;
  }
  /// The number of a name that `name_of` gives for 1, 2, …
  template <class Kind, class NameOf>
  void kind(NameOf name_of, Kind& to) const {
    std::string name;
    text("kind", name);
    for (std::uint32_t i = 1; name_of(static_cast<Kind>(i)) != "unknown"; ++i) {
      if (name_of(static_cast<Kind>(i)) != name) continue;
      to = static_cast<Kind>(i);
      return;
    }
    note(of("kind") + " is \"" + name + "\"");
  }
  [[nodiscard]] std::string of(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  }

 private:
  void note(std::string what) const {
    if (wrong_.empty()) wrong_ = std::move(what);
  }
  const json::Value& object_;
  std::string path_;
  std::string& wrong_;
};

Member read_member(const json::Value& value, const std::string& path, std::string& wrong) {
  const Reader in(value, path, wrong);
  Member out;
  std::uint32_t presence = 0;
  in.number("id", out.id);
  in.number("scope", out.scope);
  in.number("presence", presence);
  out.presence = static_cast<Presence>(presence <= 2 ? presence : 0);
  in.number("caps", out.caps);
  in.number("flags", out.flags);
  in.number("grant", out.grant);
  in.number("joined_ms", out.joined_ms);
  in.number("seen_ms", out.seen_ms);
  in.number("edited_ms", out.edited_ms);
  in.number("reserved_until_ms", out.reserved_until_ms);
  in.number("scope_until_ms", out.scope_until_ms);
  in.text("principal", out.principal);
  in.text("label", out.label);
  in.text("device", out.device);
  return out;
}

Request read_request(const json::Value& value, const std::string& path, std::string& wrong) {
  const Reader in(value, path, wrong);
  Request out;
  in.number("id", out.id);
  in.number("from", out.from);
  in.number("asked", out.asked);
  in.number("if_epoch", out.if_epoch);
  in.number("at_ms", out.at_ms);
  in.number("deadline_ms", out.deadline_ms);
  in.text("reason", out.reason);
  return out;
}

RoomSnapshot read_room(const json::Value& value, std::string& wrong) {
  const Reader in(value, "room", wrong);
  RoomSnapshot out;
  in.number("version", out.version);
  in.number("epoch", out.epoch);
  in.number("holder", out.holder);
  in.number("now_ms", out.now_ms);
  in.number("since_ms", out.since_ms);
  for (const auto& one : in.array("members")) out.members.push_back(read_member(one, "room.members[]", wrong));
  for (const auto& one : in.array("requests")) out.requests.push_back(read_request(one, "room.requests[]", wrong));
  return out;
}

PolicyEvent read_event(const json::Value& value, std::string& wrong) {
  const Reader in(value, "event", wrong);
  PolicyEvent out;
  in.kind(&event_name, out.kind);
  in.number("seq", out.seq);
  in.number("who", out.who);
  in.number("target", out.target);
  in.number("request", out.request);
  in.number("timer", out.timer);
  in.number("value", out.value);
  in.text("verb", out.verb);
  in.text("json", out.json);
  return out;
}

Effect read_effect(const json::Value& value, std::string& wrong) {
  const Reader in(value, "effects[]", wrong);
  Effect out;
  in.kind(&effect_name, out.kind);
  in.number("caps", out.caps);
  in.flag("allow", out.allow);
  in.number("target", out.target);
  in.number("request", out.request);
  in.number("timer", out.timer);
  in.number("at_ms", out.at_ms);
  in.text("text", out.text);
  return out;
}

}  // namespace

std::string to_json_line(const RecordedDecision& decision) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("policy", decision.policy)
      .member("config", decision.config)
      .member("multi_editor", decision.multi_editor);
  write_text(writer, "state", decision.state);
  write_event(writer.key("event"), decision.event);
  write_room(writer.key("room"), decision.room);
  if (decision.outcome) {
    writer.key("effects").begin_array();
    for (const auto& effect : decision.outcome->effects) write_effect(writer, effect);
    writer.end_array();
    if (decision.outcome->state) writer.member("new_state", *decision.outcome->state);
  } else {
    writer.member("error", decision.outcome.error().message);
  }
  writer.member("took_us", decision.took_us).end_object();
  return out;
}

Result<RecordedDecision> from_json_line(std::string_view line) {
  auto parsed = json::parse(line, {.bytes = 4u << 20, .depth = 16, .nodes = 500'000, .unique_keys = true});
  if (!parsed) return fail(400, "bad_recording", parsed.error().message);
  std::string wrong;
  const Reader in(*parsed, "", wrong);
  RecordedDecision out;
  in.text("policy", out.policy);
  in.text("config", out.config);
  in.flag("multi_editor", out.multi_editor);
  in.text("state", out.state);
  in.number("took_us", out.took_us);
  out.event = read_event(in.object("event"), wrong);
  out.room = read_room(in.object("room"), wrong);
  if (parsed->find("error") != nullptr) {
    std::string message;
    in.text("error", message);
    out.outcome = fail(500, "policy_failed", message);
  } else {
    PolicyOutcome outcome;
    for (const auto& one : in.array("effects")) outcome.effects.push_back(read_effect(one, wrong));
    if (parsed->find("new_state") != nullptr) in.text("new_state", outcome.state.emplace());
    out.outcome = std::move(outcome);
  }
  if (!wrong.empty()) return fail(400, "bad_recording", wrong);
  return out;
}

}  // namespace lectern::plugin
