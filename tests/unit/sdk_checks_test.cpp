// The wrapper's own checks: what a host does wrong is refused where it would crash, and told in words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <future>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "lectern/sdk/format.hpp"
#include "lectern/sdk/metrics.hpp"
#include "lectern/sdk/policy.hpp"
#include "lectern/sdk/presence.hpp"
#include "lectern/sdk/settings.hpp"
#include "lectern/sdk/transport.hpp"

namespace {
/// Of this thread; below 0 = all succeed.
thread_local long allocations_left = -1;
}  // namespace

// Memory that runs out on purpose, for these tests alone.
void* operator new(std::size_t size) {
  if (allocations_left == 0) throw std::bad_alloc();
  if (allocations_left > 0) --allocations_left;
  if (void* made = std::malloc(size)) return made;
  throw std::bad_alloc();
}
void operator delete(void* made) noexcept {
  std::free(made);
}
void operator delete(void* made, std::size_t) noexcept {
  std::free(made);
}

namespace lectern::sdk {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::FieldsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A host that only listens.
class Listening {
 public:
  explicit Listening(std::int32_t level) {
    checks_ = {sizeof checks_, level, this, &on_broken};
    log_ = {sizeof log_, LECTERN_LOG_INFO, this, &on_write};
    metrics_ = {sizeof metrics_, 0, this, &on_declare, &on_add, &on_set};
    host_ = {sizeof host_, LECTERN_ABI_MAJOR, LECTERN_ABI_MINOR, 0, this, &on_log, &on_get};
    EXPECT_EQ(detail::init(&host_, nullptr), LECTERN_OK);
  }
  ~Listening() { detail::deinit(); }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

  std::vector<std::tuple<std::string, std::string, std::string>> broken() {
    const std::scoped_lock lock(mutex_);
    return broken_;
  }
  std::vector<std::string> lines;
  std::map<std::uint64_t, std::pair<std::string, double>> figures;

 private:
  static Listening& at(void* ctx) { return *static_cast<Listening*>(ctx); }
  static void on_broken(void* ctx, lectern_str tag, lectern_str where, lectern_str what) noexcept {
    const std::scoped_lock lock(at(ctx).mutex_);
    at(ctx).broken_.emplace_back(view(tag), view(where), view(what));
  }
  static void on_log(void* ctx, std::int32_t, lectern_str message) noexcept {
    at(ctx).lines.emplace_back(view(message));
  }
  static void on_write(void* ctx, std::int32_t, lectern_str message, const lectern_log_field* fields,
                       std::uint32_t n) noexcept {
    std::string line(view(message));
    for (std::uint32_t i = 0; i < n; ++i)
      line.append(" ").append(view(fields[i].key)).append("=").append(view(fields[i].value));
    at(ctx).lines.push_back(line);
  }
  static lectern_status on_declare(void* ctx, std::uint64_t metric, std::uint32_t, lectern_str name,
                                   lectern_str) noexcept {
    at(ctx).figures[metric].first = view(name);
    return LECTERN_OK;
  }
  static void on_add(void* ctx, std::uint64_t metric, double by) noexcept { at(ctx).figures[metric].second += by; }
  static void on_set(void* ctx, std::uint64_t metric, double value) noexcept { at(ctx).figures[metric].second = value; }
  static const void* on_get(void* ctx, lectern_str id) noexcept {
    if (view(id) == LECTERN_EXT_CHECKS) return &at(ctx).checks_;
    if (view(id) == LECTERN_EXT_LOG) return &at(ctx).log_;
    if (view(id) == LECTERN_EXT_METRICS) return &at(ctx).metrics_;
    return nullptr;
  }

  std::mutex mutex_;
  std::vector<std::tuple<std::string, std::string, std::string>> broken_;
  lectern_host host_{};
  lectern_checks checks_{};
  lectern_log log_{};
  lectern_metrics metrics_{};
};

auto told(const char* tag, const char* where, const char* what) {
  return Contains(FieldsAre(tag, where, HasSubstr(what)));
}

/// Holds callers inside until `wanted` of them are there together.
class Gate {
 public:
  explicit Gate(int wanted) : wanted_(wanted) {}
  void pass() {
    std::unique_lock lock(mutex_);
    ++inside_;
    all_here_.notify_all();
    all_here_.wait_for(lock, std::chrono::seconds(60), [this] { return inside_ >= wanted_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_here_;
  int inside_ = 0;
  const int wanted_;
};
Gate* gate = nullptr;
void pass_gate() {
  if (gate != nullptr) gate->pass();
}

class Plain final : public Policy {
 public:
  static constexpr std::string_view config_schema = R"({"type":"object"})";
  static Health health() { return Health::degraded("half of it works", R"({"half":2})"); }
  static const void* extension(std::string_view id) {
    static const int own = 7;
    return id == "org.example.own/1" ? &own : nullptr;
  }
  explicit Plain(std::string_view config) {
    Settings(config).done();
    pass_gate();
  }
  void reduce(std::string_view, const Room&, const Event&, Outcome&) const override { pass_gate(); }
};

lectern_status no_effect(void*, const lectern_effect*) noexcept {
  return LECTERN_OK;
}
lectern_status no_state(void*, lectern_str) noexcept {
  return LECTERN_OK;
}

struct OneCell {
  static constexpr std::string_view extensions[] = {".one"};
  static int probe(std::string_view, std::string_view) { return 0; }
  static void read(std::string_view, const FormatLimits&, const NotebookBuilder&) {}
  static void write(const Notebook&, const Sink&) {}
};

class NoRecords final : public Presence {
 public:
  static constexpr std::uint64_t lag_ms = 0, min_period_ms = 0;
  explicit NoRecords(std::string_view) {}
  void publish(std::string_view, std::string_view, std::string_view) override {}
  void remove(std::string_view, std::string_view) override {}
  void snapshot(const PresenceSink&) override {}
};

class Echo final : public Transport {
 public:
  static constexpr Binding bindings[] = {{LECTERN_CARRIER_WS_MESSAGE, "connect", "echo.v1"}};
  explicit Echo(std::string_view) {}
  std::uint64_t open(std::uint64_t, std::uint32_t, std::string_view) override {
    if (refuses) throw Failure(LECTERN_UNAVAILABLE, "not now");
    return 1;
  }
  void receive(std::uint64_t, std::uint32_t, std::string_view, const InboundSink&) override { pass_gate(); }
  void encode(std::uint64_t, const Outbound&, const FrameSink&) const override {}
  void close(std::uint64_t) override {}
  static inline bool refuses = false;
};

/// One reduce with arguments that a test bends.
struct Reduce {
  lectern_error error{};
  lectern_room room{};
  lectern_event event{};
  lectern_policy_out out{sizeof(lectern_policy_out), 0, nullptr, &no_effect, &no_state, &error};
  lectern_str state{};
  Reduce() {
    error.struct_size = sizeof error;
    room.struct_size = sizeof room;
    room.member_stride = sizeof(lectern_member);
    room.request_stride = sizeof(lectern_request);
    event.struct_size = sizeof event;
    event.kind = LECTERN_EVENT_JOINED;
  }
  lectern_status operator()(const void* self) const {
    return PolicyOf<Plain>::abi().reduce(self, state, &room, &event, &out);
  }
};

void* make_plain() {
  void* self = nullptr;
  EXPECT_EQ(PolicyOf<Plain>::abi().create(str("{}"), &self, nullptr), LECTERN_OK);
  return self;
}

TEST(SdkChecks, NothingRunsBeforeInitOrAfterDeinit) {
  lectern_error error{};
  error.struct_size = sizeof error;
  void* self = nullptr;
  EXPECT_EQ(PolicyOf<Plain>::abi().create(str("{}"), &self, &error), LECTERN_CONFLICT);
  EXPECT_THAT(error.message, HasSubstr("was called before init or after deinit"));
  EXPECT_EQ(self, nullptr);
}

TEST(SdkChecks, AGoodHostHearsNothing) {
  Listening host(LECTERN_CHECKS_MAXIMAL);
  void* self = make_plain();
  const Reduce reduce;
  EXPECT_EQ(reduce(self), LECTERN_OK);
  PolicyOf<Plain>::abi().destroy(self);
  EXPECT_THAT(host.broken(), IsEmpty());
}

TEST(SdkChecks, NullAndShortArgumentsAreRefused) {
  Listening host(LECTERN_CHECKS_MINIMAL);
  void* self = make_plain();
  Reduce reduce;
  EXPECT_EQ(PolicyOf<Plain>::abi().reduce(self, {}, nullptr, &reduce.event, &reduce.out), LECTERN_CONFLICT);
  EXPECT_THAT(host.broken(), told("[call]", "lectern_policy.reduce", "got a null room"));
  EXPECT_EQ(reduce(nullptr), LECTERN_CONFLICT);
  EXPECT_THAT(host.broken(), told("(object)", "lectern_policy.reduce", "got no object"));
  reduce.room.struct_size = 8;
  EXPECT_EQ(reduce(self), LECTERN_CONFLICT);
  EXPECT_THAT(host.broken(), told("[call]", "lectern_policy.reduce", "got a room of 8 bytes"));
  EXPECT_THAT(reduce.error.message, HasSubstr("got a room of 8 bytes"));
  Reduce other;
  other.state = {nullptr, 5};
  EXPECT_EQ(other(self), LECTERN_CONFLICT);
  EXPECT_THAT(host.broken(), told("[call]", "lectern_policy.reduce", "got a state of 5 bytes at address 0"));
  PolicyOf<Plain>::abi().destroy(self);
}

/// A struct of a host that is older than the SDK: as long as it says, and behind it memory that must not be touched.
template <class Struct>
class Shorter {
 public:
  Shorter(const Struct& from, std::size_t size) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    pages_ = static_cast<char*>(::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_EQ(::mprotect(pages_ + page, page, PROT_NONE), 0);
    at_ = pages_ + page - size;
    std::memcpy(at_, static_cast<const void*>(&from), size);
    const auto told = static_cast<std::uint32_t>(size);
    std::memcpy(at_, &told, sizeof told);
    mapped_ = 2 * page;
  }
  ~Shorter() { ::munmap(pages_, mapped_); }
  Shorter(const Shorter&) = delete;
  Shorter& operator=(const Shorter&) = delete;
  [[nodiscard]] const Struct* get() const { return reinterpret_cast<const Struct*>(at_); }

 private:
  char* pages_ = nullptr;
  char* at_ = nullptr;
  std::size_t mapped_ = 0;
};

TEST(SdkChecks, NothingBehindTheEndOfAShorterStructIsRead) {
  Listening host(LECTERN_CHECKS_MAXIMAL);
  const auto& policy = PolicyOf<Plain>::abi();
  void* self = make_plain();
  const Reduce reduce;
  // Of each size that ends at a field's end, down to the size field alone.
  for (std::size_t size = 8; size < sizeof(lectern_policy_out); size += 8) {
    const Shorter<lectern_policy_out> out(reduce.out, size);
    EXPECT_EQ(policy.reduce(self, {}, &reduce.room, &reduce.event, out.get()), LECTERN_CONFLICT) << size;
  }
  for (std::size_t size = 8; size < sizeof(lectern_room); size += 8) {
    const Shorter<lectern_room> room(reduce.room, size);
    EXPECT_EQ(policy.reduce(self, {}, room.get(), &reduce.event, &reduce.out), LECTERN_CONFLICT) << size;
  }
  for (std::size_t size = 8; size < sizeof(lectern_event); size += 8) {
    const Shorter<lectern_event> event(reduce.event, size);
    EXPECT_EQ(policy.reduce(self, {}, &reduce.room, event.get(), &reduce.out), LECTERN_CONFLICT) << size;
  }
  policy.destroy(self);
  EXPECT_THAT(host.broken(), told("[call]", "lectern_policy.reduce", "got a out of 8 bytes"));

  const auto& format = FormatOf<OneCell>::abi();
  const lectern_format_limits limits{sizeof limits, 8, 100, 100, 100};
  const lectern_notebook_builder builder{sizeof builder, 0, nullptr, nullptr, nullptr, nullptr};
  const lectern_sink sink{sizeof sink, 0, nullptr, nullptr};
  lectern_notebook notebook{};
  for (std::size_t size = 8; size < sizeof builder; size += 8) {
    const Shorter<lectern_notebook_builder> shorter(builder, size);
    EXPECT_EQ(format.read(str("x"), &limits, shorter.get(), nullptr), LECTERN_CONFLICT) << size;
  }
  for (std::size_t size = 8; size < sizeof notebook; size += 8) {
    const Shorter<lectern_notebook> shorter(notebook, size);
    EXPECT_EQ(format.write(shorter.get(), &sink, nullptr), LECTERN_CONFLICT) << size;
  }
  notebook.struct_size = sizeof notebook;
  for (std::size_t size = 8; size < sizeof sink; size += 8) {
    const Shorter<lectern_sink> shorter(sink, size);
    EXPECT_EQ(format.write(&notebook, shorter.get(), nullptr), LECTERN_CONFLICT) << size;
  }

  const auto& presence = PresenceOf<NoRecords>::abi();
  ASSERT_EQ(presence.open(str("{}"), &self, nullptr), LECTERN_OK);
  const lectern_presence_sink records{sizeof records, 0, nullptr, nullptr, nullptr};
  for (std::size_t size = 8; size < sizeof records; size += 8) {
    const Shorter<lectern_presence_sink> shorter(records, size);
    EXPECT_EQ(presence.snapshot(self, shorter.get(), nullptr), LECTERN_CONFLICT) << size;
  }
  presence.close(self);

  const auto& echo = TransportOf<Echo>::abi();
  ASSERT_EQ(echo.create({}, &self, nullptr), LECTERN_OK);
  std::uint64_t encoding = 0;
  ASSERT_EQ(echo.open(self, 5, 0, str("{}"), &encoding, nullptr), LECTERN_OK);
  const lectern_inbound_sink inbound{sizeof inbound, 0, nullptr, nullptr};
  for (std::size_t size = 8; size < sizeof inbound; size += 8) {
    const Shorter<lectern_inbound_sink> shorter(inbound, size);
    EXPECT_EQ(echo.receive(self, 5, LECTERN_FRAME_BINARY, str("x"), shorter.get(), nullptr), LECTERN_CONFLICT) << size;
  }
  lectern_outbound message{};
  const lectern_frame_sink frames{sizeof frames, 0, nullptr, nullptr};
  for (std::size_t size = 8; size < sizeof message; size += 8) {
    const Shorter<lectern_outbound> shorter(message, size);
    EXPECT_EQ(echo.encode(self, 1, shorter.get(), &frames), LECTERN_CONFLICT) << size;
  }
  echo.close(self, 5);
  echo.destroy(self);
}

TEST(SdkChecks, AHostTooShortToSayItsVersionIsRefused) {
  lectern_host host{};
  host.abi_major = LECTERN_ABI_MAJOR;
  host.abi_minor = LECTERN_ABI_MINOR;
  for (std::size_t size = 8; size < offsetof(lectern_host, get_extension); size += 8) {
    const Shorter<lectern_host> shorter(host, size);
    EXPECT_EQ(detail::init(shorter.get(), nullptr), LECTERN_UNSUPPORTED) << size;
  }
}

TEST(SdkChecks, TwoReducesOfOneObjectAtOnceBreakReferee) {
  Listening host(LECTERN_CHECKS_MINIMAL);
  void* self = make_plain();
  Gate two(2);
  gate = &two;
  const Reduce reduce;
  auto other = std::async(std::launch::async, [&] { return reduce(self); });
  EXPECT_EQ(reduce(self), LECTERN_OK);
  EXPECT_EQ(other.get(), LECTERN_OK);
  gate = nullptr;
  EXPECT_THAT(host.broken(),
              told("[referee]", "lectern_policy.reduce", "while another call on the object was running"));
  PolicyOf<Plain>::abi().destroy(self);
}

TEST(SdkChecks, TwoCreatesAtOnceBreakControl) {
  Listening host(LECTERN_CHECKS_MINIMAL);
  Gate two(2);
  gate = &two;
  auto other = std::async(std::launch::async, make_plain);
  void* self = make_plain();
  void* second = other.get();
  gate = nullptr;
  EXPECT_THAT(host.broken(), told("[control]", "lectern_policy.create", "while another [control] call was running"));
  PolicyOf<Plain>::abi().destroy(self);
  PolicyOf<Plain>::abi().destroy(second);
}

TEST(SdkChecks, MaximalKnowsWhatWasDestroyed) {
  Listening host(LECTERN_CHECKS_MAXIMAL);
  void* self = make_plain();
  PolicyOf<Plain>::abi().destroy(self);
  const Reduce reduce;
  EXPECT_EQ(reduce(self), LECTERN_CONFLICT);
  PolicyOf<Plain>::abi().destroy(self);
  EXPECT_THAT(host.broken(), told("(object)", "lectern_policy.reduce", "got an object that was destroyed"));
  EXPECT_THAT(host.broken(), told("(object)", "lectern_policy.destroy", "got an object that was destroyed"));
}

TEST(SdkChecks, MaximalReadsEveryText) {
  Listening host(LECTERN_CHECKS_MAXIMAL);
  void* self = make_plain();
  Reduce reduce;
  std::vector<lectern_member> members(2);
  members[0].id = 2;
  members[0].label = str("caf\xe9");
  members[1].id = 1;
  reduce.room.members = members.data();
  reduce.room.n_members = 2;
  EXPECT_EQ(reduce(self), LECTERN_OK) << "told, and decided all the same";
  EXPECT_THAT(host.broken(), told("[call]", "lectern_policy.reduce", "got a label that is not UTF-8"));
  EXPECT_THAT(host.broken(), told("[call]", "lectern_policy.reduce", "got members not sorted by id"));
  PolicyOf<Plain>::abi().destroy(self);
}

TEST(SdkChecks, AConnectionIsOpenedUsedOnOneThreadAndClosed) {
  Listening host(LECTERN_CHECKS_MAXIMAL);
  const lectern_transport& echo = TransportOf<Echo>::abi();
  void* self = nullptr;
  ASSERT_EQ(echo.create({}, &self, nullptr), LECTERN_OK);
  const lectern_inbound_sink sink{sizeof sink, 0, nullptr,
                                  [](void*, const lectern_inbound*) noexcept -> lectern_status { return LECTERN_OK; }};
  const auto receive = [&](std::uint64_t connection) {
    return echo.receive(self, connection, LECTERN_FRAME_TEXT, str("{}"), &sink, nullptr);
  };
  EXPECT_EQ(receive(5), LECTERN_CONFLICT);
  EXPECT_THAT(host.broken(), told("(connection)", "lectern_transport.receive", "connection 5, which is not open"));
  std::uint64_t encoding = 0;
  ASSERT_EQ(echo.open(self, 5, 0, str("{}"), &encoding, nullptr), LECTERN_OK);
  EXPECT_EQ(receive(5), LECTERN_OK);
  EXPECT_EQ(echo.open(self, 5, 0, str("{}"), &encoding, nullptr), LECTERN_OK);
  EXPECT_THAT(host.broken(), told("(connection)", "lectern_transport.open", "a connection that is open already"));
  Gate two(2);
  gate = &two;
  auto other = std::async(std::launch::async, receive, 5);
  EXPECT_EQ(receive(5), LECTERN_OK);
  EXPECT_EQ(other.get(), LECTERN_OK);
  gate = nullptr;
  EXPECT_THAT(host.broken(), told("[reactor]", "lectern_transport.receive", "another call about connection 5"));
  echo.close(self, 5);
  EXPECT_EQ(receive(5), LECTERN_CONFLICT);
  echo.destroy(self);
}

// Out of memory in the middle of it: nothing may be thrown where the host calls.
TEST(SdkChecks, AConnectionThatCannotBeRememberedIsNotOpened) {
  Listening host(LECTERN_CHECKS_MAXIMAL);
  const lectern_transport& echo = TransportOf<Echo>::abi();
  void* self = nullptr;
  ASSERT_EQ(echo.create({}, &self, nullptr), LECTERN_OK);
  lectern_error error{};
  error.struct_size = sizeof error;
  std::uint64_t encoding = 77;
  for (long n = 0;; ++n) {
    allocations_left = n;
    const auto status = echo.open(self, 5, 0, str("{}"), &encoding, &error);
    const bool ran_out = std::exchange(allocations_left, -1) == 0 && status != LECTERN_OK;
    if (!ran_out) {
      EXPECT_EQ(status, LECTERN_OK);
      EXPECT_GT(n, 0) << "remembering takes memory";
      break;
    }
    EXPECT_EQ(status, LECTERN_INTERNAL);
    EXPECT_STREQ(error.message, "out of memory");
    EXPECT_EQ(encoding, 77u);
  }
  echo.close(self, 5);
  // One that the plugin refuses is not remembered either: the number may come again.
  Echo::refuses = true;
  EXPECT_EQ(echo.open(self, 6, 0, str("{}"), &encoding, nullptr), LECTERN_UNAVAILABLE);
  Echo::refuses = false;
  EXPECT_EQ(echo.open(self, 6, 0, str("{}"), &encoding, nullptr), LECTERN_OK);
  echo.close(self, 6);
  EXPECT_THAT(host.broken(), IsEmpty());
  echo.destroy(self);
}

TEST(SdkChecks, ARefusalWithoutMemoryIsStillARefusal) {
  Listening host(LECTERN_CHECKS_OFF);
  lectern_error error{};
  error.struct_size = sizeof error;
  allocations_left = 0;
  const auto status = PolicyOf<Plain>::abi().create({nullptr, 5}, nullptr, &error);
  allocations_left = -1;
  EXPECT_EQ(status, LECTERN_CONFLICT);
  EXPECT_STRNE(error.message, "");
}

TEST(SdkExtensions, AClassSaysWhatItHas) {
  Listening host(LECTERN_CHECKS_MINIMAL);
  const auto find = [](std::string_view id) { return detail::get_extension<PolicyOf<Plain>>(str(id)); };
  const auto* schema = static_cast<const lectern_config_schema*>(find(LECTERN_EXT_CONFIG_SCHEMA));
  ASSERT_NE(schema, nullptr);
  EXPECT_EQ(view(schema->schema), Plain::config_schema);
  ASSERT_NE(find("org.example.own/1"), nullptr);
  EXPECT_EQ(*static_cast<const int*>(find("org.example.own/1")), 7);
  EXPECT_EQ(find("health/2"), nullptr);
  EXPECT_EQ(find("health/1 "), nullptr);
  EXPECT_EQ(detail::get_extension<TransportOf<Echo>>(str(LECTERN_EXT_HEALTH)), nullptr) << "it has no health()";

  struct Said {
    std::int32_t state = -1;
    std::string summary, details;
  } said;
  const lectern_health_out out{
      sizeof out, 0, &said,
      [](void* ctx, std::int32_t state, lectern_str summary, lectern_str details) noexcept -> lectern_status {
        *static_cast<Said*>(ctx) = {state, std::string(view(summary)), std::string(view(details))};
        return LECTERN_OK;
      }};
  const auto* health = static_cast<const lectern_health*>(find(LECTERN_EXT_HEALTH));
  ASSERT_NE(health, nullptr);
  EXPECT_EQ(health->check(&out), LECTERN_OK);
  EXPECT_EQ(said.state, LECTERN_HEALTH_DEGRADED);
  EXPECT_EQ(said.summary, "half of it works");
  EXPECT_EQ(said.details, R"({"half":2})");
}

Counter asked{"asked_total", "How often it was asked"};
Gauge waiting{"waiting", "How many wait"};

TEST(SdkExtensions, MetricsDeclareThemselvesAfterEachInit) {
  asked.add();  // lost: there is no host
  for (int round = 0; round < 2; ++round) {
    Listening host(LECTERN_CHECKS_OFF);
    asked.add();
    asked.add(2);
    waiting.set(5);
    waiting.add(-1);
    std::vector<std::pair<std::string, double>> seen;
    for (const auto& [number, figure] : host.figures) seen.push_back(figure);
    EXPECT_THAT(seen, ElementsAre(std::pair<std::string, double>("asked_total", 3),
                                  std::pair<std::string, double>("waiting", 4)))
        << "round " << round;
  }
}

TEST(SdkExtensions, LogLinesHaveFieldsAndALevel) {
  Listening host(LECTERN_CHECKS_OFF);
  log(LECTERN_LOG_WARNING, "mounted", {{"path", "/tmp"}, {"tries", "3"}});
  log(LECTERN_LOG_DEBUG, "too fine", {{"a", "b"}});
  EXPECT_FALSE(logs(LECTERN_LOG_DEBUG));
  EXPECT_TRUE(logs(LECTERN_LOG_INFO));
  EXPECT_THAT(host.lines, ElementsAre("mounted path=/tmp tries=3"));
}

TEST(SdkChecks, Utf8IsReadAsTheStandardSays) {
  for (const char* good : {"", "a", "é", "€", "😀", "\xEF\xBF\xBD"}) EXPECT_TRUE(valid_utf8(good)) << good;
  for (const char* wrong : {"\x80", "\xC0\x80", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                            "\xF5\x80\x80\x80", "\xE2\x82", "a\xFF"}) {
    EXPECT_FALSE(valid_utf8(wrong)) << ::testing::PrintToString(wrong);
  }
}

}  // namespace
}  // namespace lectern::sdk
