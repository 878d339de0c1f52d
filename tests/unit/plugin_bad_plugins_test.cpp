// What the host says to plugins that break the rules, and that it goes on after each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "plugin/format.hpp"
#include "plugin/policy.hpp"
#include "plugin/presence.hpp"
#include "plugin/runtime.hpp"
#include "plugin/transport.hpp"
#include "plugin_support.hpp"

namespace lectern::plugin {
namespace {

using testing::bad;
using ::testing::HasSubstr;
using testing::write_file;

class BadPlugins : public testing::RegistryTest {
 protected:
  GenerationPtr load(Kind kind, std::string_view id) {
    auto generation = registry_->load(kind, id);
    EXPECT_TRUE(generation) << generation.error().message;
    return generation ? *generation : nullptr;
  }
  Error refused(std::string_view id) {
    auto generation = registry_->load(Kind::policy, id);
    EXPECT_FALSE(generation) << id << " was loaded";
    return generation ? Error{} : generation.error();
  }
  std::unique_ptr<Registry> registry_ = registry({bad, testing::shipped});
  RoomSnapshot room_;
};

struct Refusal {
  const char* id;
  int status;
  const char* code;
  const char* message;
};

TEST_F(BadPlugins, EachBrokenEntryIsRefusedWithItsReason) {
  const Refusal refusals[] = {
      {"no-symbol", 422, "missing_symbol", "does not export lectern_plugin_entry"},
      {"newer-major", 409, "abi_mismatch", "is for plugin interface 1.0, this host speaks 0.2"},
      {"newer-minor", 409, "abi_mismatch", "is for plugin interface 0.3"},
      {"null-entry", 422, "bad_entry", "an entry of 0 bytes"},
      {"short-entry", 422, "bad_entry", "an entry of 24 bytes"},
      {"wrong-id", 422, "id_mismatch", "calls itself \"somebody-else\""},
      {"missing-kind", 422, "missing_kind", "does not offer the kind \"policy\""},
      {"missing-function", 422, "missing_function", "has no policy function reduce"},
      {"init-throws", 500, "init_failed", "init threw this"},
      {"init-fails", 500, "init_failed", "the licence server is away"},
  };
  for (const Refusal& refusal : refusals) {
    const Error error = refused(refusal.id);
    EXPECT_EQ(error.status, refusal.status) << refusal.id;
    EXPECT_EQ(error.code, refusal.code) << refusal.id;
    EXPECT_THAT(error.message, HasSubstr(refusal.message)) << refusal.id;
    EXPECT_FALSE(error.hint.empty()) << refusal.id;
  }
  EXPECT_TRUE(registry_->load(Kind::policy, "local-takeover")) << "the others go on";
}

TEST_F(BadPlugins, ATextFileIsRefusedBeforeItIsLoaded) {
  const auto folder = temporary_.path() / "plugins";
  write_file(folder / "text" / "text.plugin.json",
             R"({"id":"text","kind":"policy","abi":{"major":0,"minor":1},"library":"text.so"})");
  write_file(folder / "text" / "text.so", "#!/bin/sh\necho I am no library\n");
  const auto with_text = registry({folder});
  const auto found = with_text->discover();
  ASSERT_EQ(found.size(), 1u);
  ASSERT_TRUE(found[0].refused);
  EXPECT_EQ(found[0].refused->code, "not_a_library");
  const auto loaded = with_text->load(Kind::policy, "text");
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, HasSubstr("starts with \"#!/bin/sh"));
  EXPECT_THAT(loaded.error().message, HasSubstr("text.so"));
}

TEST_F(BadPlugins, ATruncatedLibraryIsRefused) {
  const auto folder = temporary_.path() / "plugins";
  const std::string whole = testing::read_file(testing::shipped / "local-takeover" / "local-takeover.so");
  ASSERT_GT(whole.size(), 4000u);
  write_file(folder / "cut.plugin.json",
             R"({"id":"cut","kind":"policy","abi":{"major":0,"minor":1},"library":"cut.so"})");
  // Mapped as it is, a library that was cut off ends the process at the first touch of what is missing.
  for (const std::size_t size :
       {std::size_t{10}, std::size_t{40}, std::size_t{100}, std::size_t{2000}, whole.size() / 2, whole.size() - 1}) {
    write_file(folder / "cut.so", whole.substr(0, size));
    const auto loaded = registry({folder})->load(Kind::policy, "cut");
    ASSERT_FALSE(loaded) << size;
    EXPECT_EQ(loaded.error().code, "not_a_library") << size;
    EXPECT_THAT(loaded.error().message, HasSubstr("cut off")) << size;
  }
}

TEST_F(BadPlugins, APolicyThatThrowsCostsAnErrorAndACount) {
  const auto generation = load(Kind::policy, "throwing-policy");
  const auto refused_settings = Policy::create(generation, R"({"throw":"create"})");
  ASSERT_FALSE(refused_settings);
  EXPECT_THAT(refused_settings.error().message, HasSubstr("thrown by create"));
  {
    const auto policy = Policy::create(generation, "{}");
    ASSERT_TRUE(policy);
    for (int i = 0; i < 100; ++i) {
      const auto outcome = (*policy)->reduce("", room_, {});
      ASSERT_FALSE(outcome);
      EXPECT_EQ(outcome.error().code, "policy_failed");
      EXPECT_THAT(outcome.error().message, HasSubstr("thrown by throwing-policy"));
    }
    EXPECT_EQ(generation->extension("health/1"), nullptr);
  }
  const auto report = generation->report();
  EXPECT_EQ(report.failures, 104u) << "get_extension at load, create, 100 times reduce, get_extension, destroy";
  EXPECT_THAT(report.last_failure, HasSubstr("destroy"));
}

TEST_F(BadPlugins, ATransportThatThrowsCostsAnError) {
  const auto transport = Transport::create(load(Kind::transport, "throwing-transport"), "{}");
  ASSERT_TRUE(transport) << transport.error().message;
  EXPECT_FALSE((*transport)->open(1, 0, "{}"));
  const auto received = (*transport)->receive(1, false, "x", [](const Inbound&) { return Status{}; });
  ASSERT_FALSE(received);
  EXPECT_EQ(received.error().status, 500);
  const auto encoded = (*transport)->encode(1, {});
  ASSERT_FALSE(encoded);
  EXPECT_THAT(encoded.error().message, HasSubstr("no std::exception"));
  (*transport)->close(1);
}

TEST_F(BadPlugins, AFormatThatThrowsCostsAnError) {
  const auto format = Format::create(load(Kind::format, "throwing-format"));
  ASSERT_TRUE(format);
  EXPECT_EQ((*format)->probe("a.throwing", "x"), 0);
  const auto read = (*format)->read(std::make_shared<const std::string>("text"));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, "format_failed");
  EXPECT_EQ((*format)->write({}).error().code, "format_failed");
}

TEST_F(BadPlugins, APresenceBackendThatThrowsCostsAnError) {
  const auto generation = load(Kind::presence, "throwing-presence");
  EXPECT_FALSE(PresenceBackend::open(generation, R"({"throw":"create"})"));
  const auto presence = PresenceBackend::open(generation, "{}");
  ASSERT_TRUE(presence);
  EXPECT_FALSE((*presence)->publish("d", "i", "{}"));
  EXPECT_FALSE((*presence)->remove("d", "i"));
  EXPECT_FALSE((*presence)->snapshot());
}

TEST_F(BadPlugins, ARuntimeThatThrowsCostsAnError) {
  const auto runtime = Runtime::create(load(Kind::runtime, "throwing-runtime"), "{}", [](RuntimeEvent&&) {});
  ASSERT_TRUE(runtime);
  Runtime& r = **runtime;
  EXPECT_FALSE(r.kernels());
  for (const Status& status : {r.start(1, "python3", "{}"), r.execute(1, 1, "1"), r.interrupt(1), r.restart(1),
                               r.shutdown(1), r.input(1, "x"), r.request(1, 1, "complete", "{}"), r.comm(1, {})}) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().status, 500);
  }
  EXPECT_EQ(r.generation()->report().failures, 11u);
}

TEST_F(BadPlugins, GarbageEffectsMakeTheWholeOutcomeWorthless) {
  const auto generation = load(Kind::policy, "garbage");
  const auto policy = Policy::create(generation, "{}");
  ASSERT_TRUE(policy);
  const std::pair<const char*, const char*> cases[] = {
      {"kind", "effect 2 is of kind 99"},
      {"size", "struct_size of 8"},
      {"edit", "edit comes by grant alone"},
      {"verdict", "verdict 7"},
      {"null-text", "a text of 12 bytes"},
      {"huge-text", "a text of 5000 bytes"},
      {"latin1", "not UTF-8"},
      {"show", "does not show a JSON object"},
      {"null", "wrote no effect"},
      {"state", "a state of 70000 bytes"},
      {"many", "more than 256 effects"},
      {"status", "could not decide"},
      {"unended-error", "!!!!"},
  };
  PolicyEvent event;
  event.kind = EventKind::action;
  for (const auto& [verb, reason] : cases) {
    event.verb = verb;
    const auto outcome = (*policy)->reduce("", room_, event);
    ASSERT_FALSE(outcome) << verb;
    EXPECT_EQ(outcome.error().code, "policy_failed") << verb;
    EXPECT_THAT(outcome.error().message, HasSubstr(reason)) << verb;
  }
  event.verb = "good";
  const auto outcome = (*policy)->reduce("", room_, event);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->effects.size(), 1u) << "nothing of the bad calls is left over";
}

TEST_F(BadPlugins, AHangingPolicyIsGivenUpOnWhileOthersGoOn) {
  const auto until = temporary_.path() / "go-on";
  auto generation = load(Kind::policy, "hanging");
  auto policy = *Policy::create(generation, R"({"until":")" + until.string() + "\"}");
  auto hanging = std::async(std::launch::async, [policy, this] { return policy->reduce("", room_, {}).has_value(); });
  EXPECT_EQ(hanging.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  generation->quarantine("it took longer than 50 ms");
  policy.reset();

  const auto other = Policy::create(load(Kind::policy, "local-takeover"), "{}");
  ASSERT_TRUE(other);
  EXPECT_TRUE((*other)->reduce("", room_, {}));
  EXPECT_EQ(registry_->load(Kind::policy, "hanging").error().code, "quarantined");

  write_file(until, "");
  EXPECT_TRUE(hanging.get());
  generation.reset();
  hanging = {};
  registry_->reap();
  const auto again = registry_->load(Kind::policy, "hanging");
  ASSERT_FALSE(again) << "the same content stays quarantined after its last holder is gone";
  EXPECT_THAT(again.error().message, HasSubstr("it took longer than 50 ms"));
}

TEST_F(BadPlugins, AFormatsGarbageIsCaughtAndItsWordsArePassedOn) {
  const auto format = *Format::create(load(Kind::format, "garbage-format"));
  const auto read = [&](std::string text) {
    return format->read(std::make_shared<const std::string>(std::move(text)), {.max_cells = 1000});
  };

  const auto malformed = read("malformed\n");
  ASSERT_FALSE(malformed);
  EXPECT_EQ(malformed.error().status, 422);
  EXPECT_EQ(malformed.error().code, "malformed");
  EXPECT_EQ(malformed.error().details, R"({"line":3,"column":14})");
  EXPECT_EQ(malformed.error().hint, "Mend it.");
  EXPECT_EQ(format->generation()->report().failures, 0u) << "a malformed file is not the plugin's fault";

  for (const char* text : {"throw\n", "latin1\n", "type\n", "no-id\n", "same-id\n", "no-notebook\n", "late-cell\n",
                           "cut\n\xc3\xa9t\xc3\xa9"}) {
    const auto result = read(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().status, 500) << text;
    EXPECT_EQ(result.error().code, "format_failed") << text;
  }
  const auto many = read("many\n");
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().status, 413);
  EXPECT_THAT(many.error().message, HasSubstr("more than 1000 cells"));
  EXPECT_EQ(format->read(std::make_shared<const std::string>("too long"), {.max_bytes = 4}).error().code, "too_large");

  EXPECT_EQ(format->probe("x.garbage", ""), 100) << "clamped";
  EXPECT_EQ(format->probe("x.other", std::string(9000, ' ')), 0) << "the head is cut at 4096, the answer clamped";
}

TEST_F(BadPlugins, AFormatsTextFromTheFileIsNotCopiedAndAllOtherIs) {
  const auto format = *Format::create(load(Kind::format, "garbage-format"));
  EXPECT_THAT(format->extensions(), ::testing::ElementsAre(".garbage", ".junk"));
  const auto bytes = std::make_shared<const std::string>("notice\n[\"\xc3\xa9t\xc3\xa9\"]");
  auto first = format->read(bytes);
  ASSERT_TRUE(first) << first.error().message;
  const ReadNotebook notebook = std::move(*first);
  ASSERT_EQ(notebook.cells.size(), 1u);
  EXPECT_EQ(notebook.cells[0].source, "copied text");
  EXPECT_EQ(notebook.cells[0].outputs.data(), bytes->data());
  EXPECT_EQ(notebook.cells[0].outputs, *bytes);
  EXPECT_EQ(notebook.metadata, "{\"k\": 1.0}");
  EXPECT_THAT(notebook.notices, ::testing::ElementsAre("a notice"));

  WriteNotebook back;
  back.cells = notebook.cells;
  back.metadata = notebook.metadata;
  const auto written = format->write(back);
  ASSERT_TRUE(written);
  EXPECT_EQ(*written, "copied text{\"k\": 1.0}");
}

TEST_F(BadPlugins, ATransportsGarbageIsCaught) {
  const auto transport = *Transport::create(load(Kind::transport, "garbage-transport"), "{}");
  ASSERT_EQ(transport->bindings().size(), 2u);
  EXPECT_EQ(transport->bindings()[1].carrier, Carrier::byte_stream);
  EXPECT_EQ(transport->bindings()[1].route, "events");
  EXPECT_EQ(transport->bindings()[1].name, "text/garbage");

  EXPECT_EQ(transport->open(1, 0, "refuse").error().message,
            "garbage-transport could not open a connection: not like this");
  EXPECT_EQ(transport->open(5, 1, R"({"a":"b"})").value_or(0), 8u);
  std::vector<std::string> got;
  const auto visitor = [&](const Inbound& message) {
    got.push_back(std::string(message.name) + " " + std::string(message.body) + " " +
                  std::to_string(message.sizes.size()));
    return Status{};
  };
  EXPECT_TRUE(transport->receive(5, false, "twice", visitor));
  EXPECT_TRUE(transport->receive(5, false, "payload", visitor));
  EXPECT_THAT(got, ::testing::ElementsAre(R"(twice {"a":"b"} 0)", R"(twice {"a":"b"} 0)", R"(payload {"a":"b"} 2)"));
  EXPECT_EQ(transport->receive(5, false, "malformed", visitor).error().status, 400);
  EXPECT_EQ(transport->receive(5, false, "kind", visitor).error().code, "transport_failed");
  EXPECT_EQ(transport->receive(5, false, "sizes", visitor).error().code, "transport_failed");
  EXPECT_EQ(transport->receive(6, false, "x", visitor).error().status, 500) << "never opened";
  const auto stop =
      transport->receive(5, false, "twice", [](const Inbound&) -> Status { return fail(409, "enough", "stop"); });
  ASSERT_FALSE(stop);
  EXPECT_EQ(stop.error().code, "enough") << "the visitor's error comes back as it is";

  Outbound message;
  message.op = "cell-op";
  message.payload = "pp";
  const auto frames = transport->encode(8, message);
  ASSERT_TRUE(frames);
  ASSERT_EQ(frames->size(), 2u);
  EXPECT_EQ((*frames)[0].bytes, "8 cell-op");
  EXPECT_TRUE((*frames)[1].binary);
  message.op = "nothing";
  EXPECT_TRUE(transport->encode(8, message)->empty());
  transport->close(5);
  EXPECT_FALSE(transport->receive(5, false, "x", visitor));
}

}  // namespace
}  // namespace lectern::plugin
