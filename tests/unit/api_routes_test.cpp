#include "api/routes.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "api/endpoints.hpp"
#include "api/spec.hpp"
#include "api/tickets.hpp"
#include "session/commands.hpp"
#include "session/events.hpp"

namespace lectern::api {
namespace {

TEST(Routes, FindsByMethodAndPattern) {
  const auto match = match_route("POST", "/api/v1/sessions/s1/commands/execute");
  ASSERT_NE(match.route, nullptr);
  EXPECT_EQ(match.route->pattern, "/api/v1/sessions/{session_id}/commands/{name}");
  EXPECT_EQ(match.arguments, (std::vector<std::string>{"s1", "execute"}));
  EXPECT_EQ(match_route("HEAD", "/health").route, match_route("GET", "/health").route);
}

TEST(Routes, AKnownPathWithAWrongMethodNamesTheRightOnes) {
  const auto match = match_route("PATCH", "/api/v1/policy");
  EXPECT_EQ(match.route, nullptr);
  EXPECT_EQ(match.allowed, "GET, HEAD, PUT");
}

TEST(Routes, ThePageNeverAnswersForTheApi) {
  for (const auto* path : {"/api/v1/nothing", "/api/", "/blobs/", "/api/v1/sessions//connect", "/api/v1/sessions/"}) {
    const auto match = match_route("GET", path);
    EXPECT_EQ(match.route, nullptr) << path;
    EXPECT_TRUE(match.allowed.empty()) << path;
  }
  EXPECT_EQ(match_route("GET", "/notes/a.ipynb").route->pattern, "/{path*}");
  EXPECT_EQ(match_route("GET", "/").route->pattern, "/{path*}");
  EXPECT_EQ(match_route("GET", "no-slash").route, nullptr);
}

// What may be reached without the token is named here once more, so that adding to it is a decision.
TEST(Routes, OnlyLivenessThePagesFilesAndAcceptingAPairingNeedNoToken) {
  std::set<std::string_view> open;
  for (const auto& route : routes()) {
    if (route.scope == Scope::none) open.insert(route.pattern);
    if (route.method == "GET") {
      EXPECT_EQ(route.max_body, 0U) << route.pattern;
    }
    if (route.method == "PUT") {
      EXPECT_EQ(route.scope, Scope::admin) << route.pattern;
    }
  }
  EXPECT_EQ(open, (std::set<std::string_view>{"/health", "/api/v1/pairing/accept", "/{path*}"}));
}

// What an attached session does otherwise than by asking its host is named here once more, so that it is a decision.
TEST(Routes, OfAnAttachedSessionAreCarriedToItsHostButForThese) {
  using E = Endpoints;
  const std::map<std::string, AttachedEndpoint> other = {
      {"GET /api/v1/sessions/{session_id}", &E::relay_show},
      {"DELETE /api/v1/sessions/{session_id}", &E::detach},
      {"POST /api/v1/sessions/{session_id}/clients", &E::relay_make_client},
      {"GET /api/v1/sessions/{session_id}/connect", &E::relay_upgrade},
      {"GET /api/v1/sessions/{session_id}/relay", &E::not_relayed},
      {"GET /api/v1/sessions/{session_id}/events", &E::relay_stream},
      {"GET /api/v1/sessions/{session_id}/outputs/{output_id}", &E::relay_whole_output},
      {"POST /api/v1/sessions/{session_id}/commands/{name}", &E::relay_command}};
  std::size_t found = 0;
  for (const auto& route : routes()) {
    const auto name = std::string(route.method) + ' ' + std::string(route.pattern);
    AttachedEndpoint expected = nullptr;
    if (route.pattern.starts_with("/api/v1/sessions/{session_id}")) expected = &E::relay_request;
    if (const auto at = other.find(name); at != other.end()) {
      expected = at->second;
      ++found;
    }
    const bool same = route.attached == expected;
    EXPECT_TRUE(same) << name;
  }
  EXPECT_EQ(found, other.size());
}

json::Value parsed(const std::string& text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value.has_value());
  return value ? *value : json::Value();
}

void each_reference(const json::Value& value, const std::function<void(const std::string&)>& visit) {
  if (const auto* object = value.as_object()) {
    for (const auto& [key, member] : *object) {
      if (key == "$ref") visit(*member.as_string());
      each_reference(member, visit);
    }
  } else if (const auto* array = value.as_array()) {
    for (const auto& member : *array) each_reference(member, visit);
  }
}

const json::Value* at_pointer(const json::Value& root, std::string_view pointer) {
  const auto* at = &root;
  pointer.remove_prefix(2);
  while (at && !pointer.empty()) {
    const auto slash = pointer.find('/');
    at = at->find(pointer.substr(0, slash));
    pointer.remove_prefix(slash == std::string_view::npos ? pointer.size() : slash + 1);
  }
  return at;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(c | 0x20);
  return out;
}

TEST(Specs, OpenApiHasEveryRouteAndNothingElse) {
  const auto spec = parsed(openapi_document());
  std::set<std::string> expected;
  for (const auto& route : routes()) {
    if (route.pattern.find("*}") != std::string_view::npos) continue;
    const auto name = route.pattern.find("{name}");
    if (name == std::string_view::npos) {
      expected.insert(lower(route.method) + " " + std::string(route.pattern));
    } else {
      for (const auto& command : session::commands()) {
        expected.insert("post " + std::string(route.pattern.substr(0, name)) + std::string(command.name));
      }
    }
  }
  std::set<std::string> found;
  std::set<std::string> ids;
  for (const auto& [path, methods] : *spec.find("paths")->as_object()) {
    for (const auto& [method, operation] : *methods.as_object()) {
      found.insert(method + " " + path);
      EXPECT_TRUE(ids.insert(*operation.find("operationId")->as_string()).second) << path;
      EXPECT_NE(operation.find("responses")->find("default"), nullptr) << path;
      // What is published can be asked for, and leads to the route it was written from.
      auto real = path;
      for (auto open = real.find('{'); open != std::string::npos; open = real.find('{')) {
        real.replace(open, real.find('}') - open + 1, "x");
      }
      auto upper = method;
      for (auto& c : upper) c = static_cast<char>(c & ~0x20);
      const auto match = match_route(upper, real);
      ASSERT_NE(match.route, nullptr) << path;
      EXPECT_EQ(*operation.find("x-scope")->as_string(), scope_name(match.route->scope));
    }
  }
  EXPECT_EQ(found, expected);
  const auto answers = [&spec](std::string_view path, std::string_view method, std::string_view status) {
    return spec.find("paths")->find(path)->find(method)->find("responses")->find(status) != nullptr;
  };
  EXPECT_TRUE(answers("/api/v1/sessions/{session_id}/takeover", "post", "202"));
  EXPECT_TRUE(answers("/api/v1/sessions/{session_id}/commands/takeover", "post", "202"));
  EXPECT_TRUE(answers("/api/v1/files/content", "post", "200"));
  EXPECT_TRUE(answers("/api/v1/sessions/{session_id}/document", "get", "304"));
}

TEST(Specs, EveryReferenceLeadsSomewhere) {
  for (const auto& text : {openapi_document(), asyncapi_document()}) {
    const auto spec = parsed(text);
    int count = 0;
    each_reference(spec, [&](const std::string& reference) {
      ++count;
      EXPECT_NE(at_pointer(spec, reference), nullptr) << reference;
    });
    EXPECT_GT(count, 10);
  }
}

TEST(Specs, EverySchemaIsNamedByARouteOrByAnother) {
  const auto schemas = component_schemas();
  std::set<std::string> used = {"Error"};
  for (const auto& route : routes()) {
    for (const auto name : {route.answer, route.body}) {
      if (name.empty() || name.find('/') != std::string_view::npos) continue;
      EXPECT_NE(schemas.find(name), nullptr) << name;
      used.emplace(name);
    }
  }
  each_reference(schemas,
                 [&](const std::string& reference) { used.insert(reference.substr(reference.rfind('/') + 1)); });
  for (const auto& [name, schema] : *schemas.as_object()) EXPECT_TRUE(used.count(name)) << name;
}

TEST(Specs, AsyncApiHasEveryCommandAndEveryEvent) {
  const auto spec = parsed(asyncapi_document());
  const auto* messages = spec.find("components")->find("messages");
  for (const auto& command : session::commands()) {
    const auto* message = messages->find("command." + std::string(command.name));
    ASSERT_NE(message, nullptr) << command.name;
    EXPECT_EQ(*message->find("x-tier")->as_string(), session::tier_name(command.tier));
  }
  for (const auto& event : session::events()) {
    const auto* message = messages->find("event." + std::string(event.name));
    ASSERT_NE(message, nullptr) << event.name;
    EXPECT_EQ(*message->find("x-audience")->as_string(), session::audience_name(event.audience));
  }
  for (const auto* op : {"open", "frame", "close", "full", "drained", "refused", "closed"}) {
    EXPECT_NE(messages->find(std::string("relay.") + op), nullptr) << op;
  }
  EXPECT_EQ(messages->as_object()->size(), session::commands().size() + session::events().size() + 6 + 7);
}

TEST(Tickets, WorkOnceInTheirSessionAndForHalfAMinute) {
  Tickets tickets;
  const auto first = tickets.issue("s1", "c1.secret", 1000);
  EXPECT_EQ(tickets.redeem(first, "s2", 1001), std::nullopt);
  EXPECT_EQ(tickets.redeem(first, "s1", 1001), std::nullopt);  // shown in the wrong place, it is spent
  const auto second = tickets.issue("s1", "c1.secret", 1000);
  EXPECT_EQ(tickets.redeem(second, "s1", 30'999), "c1.secret");
  EXPECT_EQ(tickets.redeem(second, "s1", 30'999), std::nullopt);
  const auto third = tickets.issue("s1", "c1.secret", 1000);
  EXPECT_EQ(tickets.redeem(third, "s1", 31'000), std::nullopt);
}

}  // namespace
}  // namespace lectern::api
