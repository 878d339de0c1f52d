// Who may use which command: the whole table of commands, by role and by the scope of the token, at the one function
// that decides and through a connection. A command has to have its row here.
#include <map>

#include "session/authorization.hpp"
#include "session/commands.hpp"
#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

// Named here once more, so that adding a command, or giving one to more people, is a decision.
const std::map<std::string_view, Tier> rows{
    {"complete", Tier::read},     {"inspect", Tier::read},     {"is_complete", Tier::read},
    {"history", Tier::read},      {"room", Tier::read},        {"focus", Tier::read},
    {"takeover", Tier::read},     {"answer", Tier::read},      {"withdraw", Tier::read},
    {"act", Tier::read},          {"sync", Tier::read},        {"model", Tier::interact},
    {"input", Tier::interact},    {"transaction", Tier::edit}, {"execute", Tier::edit},
    {"interrupt", Tier::edit},    {"restart", Tier::edit},     {"shutdown_kernel", Tier::edit},
    {"start_kernel", Tier::edit}, {"save", Tier::edit},        {"clear_outputs", Tier::edit},
    {"trust", Tier::edit},        {"release", Tier::edit},     {"restore", Tier::edit},
    {"cursor", Tier::read},       {"variables", Tier::read},   {"format", Tier::edit},
    {"gather", Tier::edit},       {"undo", Tier::edit},        {"redo", Tier::edit},
    {"resolve", Tier::edit},      {"ping", Tier::read},
};

enum class Role { editor, editor_without_epoch, editor_with_a_strangers_epoch, former_editor, interactor, viewer };
constexpr Role roles[] = {Role::editor,        Role::editor_without_epoch, Role::editor_with_a_strangers_epoch,
                          Role::former_editor, Role::interactor,           Role::viewer};
constexpr std::uint32_t scopes[] = {0, cap_interact, cap_edit | cap_interact};  // view, interact, edit tokens

constexpr std::uint64_t own_epoch = 5, past_epoch = 4, others_epoch = 3;

/// The code of the refusal; empty = allowed.
std::string expected(Tier tier, Role role, std::uint32_t scope) {
  const bool holds = role <= Role::editor_with_a_strangers_epoch;
  switch (tier) {
    case Tier::read:
      return "";
    case Tier::interact:
      return role != Role::viewer && (scope & cap_interact) != 0 ? "" : "read_only";
    case Tier::edit:
      if ((scope & cap_edit) == 0) return "read_only";
      if (role == Role::editor) return "";
      if (holds) return "epoch_required";
      return role == Role::former_editor ? "stale_epoch" : "read_only";
  }
  return "no tier";
}

TEST(AuthorizationTest, EveryCommandHasItsRow) {
  for (const auto& command : commands()) {
    ASSERT_TRUE(rows.contains(command.name)) << command.name;
    EXPECT_EQ(command.tier, rows.at(command.name)) << command.name;
  }
  EXPECT_EQ(rows.size(), commands().size());
}

TEST(AuthorizationTest, EveryCommandByRoleAndScope) {
  for (const auto& command : commands()) {
    const auto row = rows.find(command.name);
    ASSERT_NE(row, rows.end()) << command.name;
    for (const auto role : roles) {
      for (const auto scope : scopes) {
        Room room;
        room.continue_after(past_epoch);
        Clients clients;
        auto& client = *clients.issue("tab", "browser", "owner", false).client;
        Member made;
        made.id = client.number;
        made.client_id = client.id;
        made.scope = cap_edit | cap_interact;
        made.caps = role == Role::viewer ? 0 : cap_interact;
        auto& member = room.add(made);
        Credentials credentials{scope, std::nullopt};
        if (role <= Role::editor_with_a_strangers_epoch) room.grant(member, own_epoch, 0);
        if (role == Role::editor) credentials.epoch = own_epoch;
        if (role == Role::editor_with_a_strangers_epoch) credentials.epoch = others_epoch;
        if (role == Role::former_editor) {
          Clients::remember_grant(client, past_epoch, 0);
          credentials.epoch = past_epoch;
        }
        const auto allowed = authorize(command.tier, room, member, client, credentials);
        EXPECT_EQ(allowed ? "" : allowed.error().code, expected(row->second, role, scope))
            << command.name << ", role " << static_cast<int>(role) << ", scope " << scope;
      }
    }
  }
}

class SessionAuthorizationTest : public SessionTest {};

// The same through the one way in: nothing of the table is applied before it was authorized, whoever asks and whatever
// the body. Nobody who is refused changes anything, so one session serves for all of them.
TEST_F(SessionAuthorizationTest, NoCommandGetsPastAuthorization) {
  Settings settings;
  settings.policy_config = R"({"secondary":"viewer"})";
  start(settings);
  auto former = tab(), editor = tab();
  former->await("kernel-ready");
  editor->await("kernel-ready");
  ASSERT_TRUE(flag_of(editor->command("takeover"), "ok"));
  auto viewer = tab();
  Tab::How link;
  link.scope = cap_interact;
  auto linked = tab(link);
  viewer->await("kernel-ready");
  linked->await("kernel-ready");
  for (const auto& command : commands()) {
    const std::string name(command.name);
    if (command.tier == Tier::read) continue;
    EXPECT_EQ(error_code(viewer->command(name)), "read_only") << name;
    EXPECT_EQ(error_code(viewer->command(name, "{}", 2)), "read_only") << name;
    if (command.tier != Tier::edit) continue;
    EXPECT_EQ(error_code(former->command(name, "{}", 1)), "stale_epoch") << name;
    EXPECT_EQ(error_code(editor->command(name)), "epoch_required") << name;
    EXPECT_EQ(error_code(editor->command(name, "{}", 1)), "epoch_required") << name;
    EXPECT_EQ(error_code(linked->command(name, "{}", 2)), "read_only") << name;
  }
  EXPECT_EQ(error_code(linked->command("takeover")), "denied");
  EXPECT_TRUE(flag_of(editor->command("release", "{}", 2), "ok")) << "it still had the pen";
}

}  // namespace
}  // namespace lectern::session::testing
