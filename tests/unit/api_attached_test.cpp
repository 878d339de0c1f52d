// A session of another host that has come to this one: the session here is the one that is meant.
#include <functional>

#include "api/byte_range.hpp"
#include "api/endpoints.hpp"
#include "base/clock.hpp"
#include "session_support.hpp"

namespace lectern::api {
namespace {

class Elsewhere final : public AttachedSession {
 public:
  using Answers = std::function<Response(const Forwarded&)>;
  Elsewhere(std::string id, Loop& loop, Answers answers)
      : id_(std::move(id)), loop_(loop), answers_(std::move(answers)) {}
  [[nodiscard]] const std::string& id() const override { return id_; }
  [[nodiscard]] Loop& loop() const override { return loop_; }
  [[nodiscard]] json::Value remote() const override { return json::Value(json::Object{}); }
  [[nodiscard]] json::Value info() const override { return json::Value(json::Object{}); }
  std::unique_ptr<session::LinkEvents> connect(session::ConnectRequest, session::Link&) override { return nullptr; }
  void forward(Forwarded request, Respond respond) override { respond(answers_ ? answers_(request) : Response{}); }

 private:
  std::string id_;
  Loop& loop_;
  Answers answers_;
};

/// One attachment to each of these ids.
class Attachments final : public Attached {
 public:
  Attachments(std::vector<std::string> ids, Loop& loop) : ids_(std::move(ids)), loop_(loop) {}
  void attach(std::string, session::Reply<json::Value> reply) override { reply(fail(404, "", "")); }
  void create(std::string, Forwarded, session::Reply<json::Value> reply) override { reply(fail(404, "", "")); }
  [[nodiscard]] AttachedPtr find(std::string_view id) const override {
    const bool known = std::find(ids_.begin(), ids_.end(), id) != ids_.end();
    return known ? std::make_shared<Elsewhere>(std::string(id), loop_, answers) : nullptr;
  }
  [[nodiscard]] std::vector<AttachedPtr> sessions() const override { return {}; }
  [[nodiscard]] json::Array rows() const override {
    json::Array out;
    for (const auto& id : ids_) {
      json::Value row;
      row.set("session_id", id);
      row.set("remote", json::Value(json::Object{}));
      out.push_back(std::move(row));
    }
    return out;
  }
  void detach(std::string_view id, session::Reply<bool> reply) override { reply(std::erase(ids_, id) > 0); }
  void revoke(std::string) override {}

  Elsewhere::Answers answers;

 private:
  std::vector<std::string> ids_;
  Loop& loop_;
};

TEST(Attached, ASessionThatLivesHereComesFirst) {
  const session::testing::TempFolder folder;
  session::testing::Host host(folder.path());
  host.write("a.ipynb", session::testing::small_notebook);
  const auto opened = host.open("a.ipynb");
  ASSERT_TRUE(opened);
  const auto id = (*opened)->id();
  Attachments attached({id, "elsewhere"}, (*opened)->loop());
  const auto list = session_list(host.directory(), &attached);
  const auto& rows = *list.find("sessions")->as_array();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].find("remote"), nullptr);
  EXPECT_EQ(*rows[1].find("session_id")->as_string(), "elsewhere");

  Parts parts;
  parts.directory = &host.directory();
  parts.attached = &attached;
  Endpoints endpoints(parts);
  const auto is_relayed = [&endpoints](const std::string& session) {
    Call call;
    call.request.method = "GET";
    call.request.path = "/api/v1/sessions/" + session;
    auto match = match_route("GET", call.request.path);
    call.route = match.route;
    call.arguments = match.arguments;
    call.scope = Scope::edit;
    return endpoints.relayed(call).has_value();
  };
  EXPECT_TRUE(is_relayed("elsewhere"));
  EXPECT_FALSE(is_relayed(id));
  EXPECT_EQ(attached.find(id), nullptr) << "and the attachment has ended";
}

// A route that answered 404 for an attached session would say that it is not there.
TEST(Attached, EveryRouteOfASessionIsAnsweredForOneThatIsElsewhere) {
  const session::testing::TempFolder folder;
  session::testing::Host host(folder.path());
  host.write("a.ipynb", session::testing::small_notebook);
  const auto opened = host.open("a.ipynb");
  ASSERT_TRUE(opened);
  Attachments attached({"elsewhere"}, (*opened)->loop());
  Parts parts;
  parts.directory = &host.directory();
  parts.attached = &attached;
  Endpoints endpoints(parts);
  std::size_t of_sessions = 0;
  for (const auto& route : routes()) {
    Call call;
    call.request.method = route.method;
    call.route = &route;
    for (const auto name : pattern_names(route.pattern)) {
      call.arguments.emplace_back(name == "session_id" ? "elsewhere" : name == "name" ? "execute" : "x");
    }
    call.scope = Scope::admin;
    const bool of_one = route.pattern.starts_with("/api/v1/sessions/{session_id}");
    of_sessions += of_one ? 1 : 0;
    EXPECT_EQ(endpoints.relayed(call).has_value(), of_one) << route.method << ' ' << route.pattern;
  }
  EXPECT_GT(of_sessions, 15U);
}

/// A device with an output of `size` bytes, whose answers a test may spoil.
class OutputElsewhere : public ::testing::Test {
 protected:
  static constexpr std::uint64_t size = 10u << 20;
  void SetUp() override {
    parts_.directory = &host_.directory();
    parts_.attached = &attached_;
    auto tokens = Tokens::open(folder_.path() / "tokens.json");
    ASSERT_TRUE(tokens) << tokens.error().message;
    tokens_ = std::move(*tokens);
    parts_.tokens = tokens_.get();
    endpoints_.emplace(parts_);
    attached_.answers = [this](const Forwarded& request) {
      ++asked_;
      Request there;
      there.method = request.method;
      there.headers = request.headers;
      const auto range = asked_range(there, size);
      EXPECT_TRUE(range && *range) << "never all of it at once";
      EXPECT_LE(request.max_answer, 4u << 20);
      Response out;
      out.status = 206;
      out.headers = {{"Content-Range", content_range(**range, size)}};
      out.body = std::string((**range).count, 'x');
      if (spoil_) spoil_(out);
      return out;
    };
  }
  Response ask(const std::string& principal = Access{}.principal) {
    Call call;
    call.request.method = "GET";
    call.request.path = "/api/v1/sessions/elsewhere/outputs/0123456789abcdef";
    auto match = match_route("GET", call.request.path);
    call.route = match.route;
    call.arguments = match.arguments;
    call.scope = Scope::view;
    call.principal = principal;
    Response got;
    auto outcome = endpoints_->relayed(call);
    std::get<Deferred>(*outcome).start([&got](Response response) { got = std::move(response); });
    return got;
  }
  static std::size_t next(const Response& response) {
    std::size_t got = 0;
    response.source->next([&got](const std::string& piece) { got = piece.size(); });
    return got;
  }

  const session::testing::TempFolder folder_;
  session::testing::Host host_{folder_.path()};
  Loop loop_{"elsewhere"};
  Attachments attached_{{"elsewhere"}, loop_};
  Parts parts_;
  std::unique_ptr<Tokens> tokens_;
  std::optional<Endpoints> endpoints_;
  std::function<void(Response&)> spoil_;
  int asked_ = 0;
};

TEST_F(OutputElsewhere, ComesInPiecesOfAFewMegabytes) {
  const auto response = ask();
  EXPECT_EQ(response.status, 200);
  ASSERT_TRUE(response.source);
  EXPECT_EQ(response.source->size(), size);
  EXPECT_EQ(next(response), 4u << 20);
  EXPECT_EQ(next(response), 4u << 20);
  EXPECT_EQ(next(response), 2u << 20);
  EXPECT_EQ(asked_, 4);
}

TEST_F(OutputElsewhere, AnotherAnswerThanWasAskedForIsNoPartOfIt) {
  struct Spoilt {
    const char* what;
    std::function<void(Response&)> spoil;
    int status;
  };
  for (const auto& [what, spoil, status] :
       {Spoilt{"short", [](Response& out) { out.body.pop_back(); }, 502},
        Spoilt{"other bytes", [](Response& out) { out.headers[0].second = "bytes 1-4194304/10485760"; }, 502},
        Spoilt{"it is not said which", [](Response& out) { out.headers.clear(); }, 502},
        Spoilt{"gone", [](Response& out) { out.status = 404; }, 404}}) {
    spoil_ = nullptr;
    const auto begun = ask();
    spoil_ = spoil;
    const auto refused = ask();
    EXPECT_EQ(refused.status, status) << what;
    EXPECT_FALSE(refused.source) << what;
    EXPECT_EQ(next(begun), 0U) << what << ": the connection ends";
  }
}

TEST_F(OutputElsewhere, EndsWithTheAttachment) {
  const auto response = ask();
  EXPECT_GT(next(response), 0U);
  attached_.detach("elsewhere", [](const Result<bool>&) {});
  EXPECT_EQ(next(response), 0U);
}

TEST_F(OutputElsewhere, EndsWithTheTokenThatAskedForIt) {
  const auto minted = tokens_->mint({Scope::view, {}, "elsewhere", 0}, clock::wall_ms());
  ASSERT_TRUE(minted) << minted.error().message;
  const auto response = ask(minted->record.principal());
  EXPECT_GT(next(response), 0U);
  ASSERT_TRUE(tokens_->revoke(minted->record.id));
  EXPECT_EQ(next(response), 0U);
  EXPECT_EQ(asked_, 2) << "the device that has it is not asked any more";
}

}  // namespace
}  // namespace lectern::api
