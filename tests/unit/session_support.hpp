// Sessions on real parts: loop, workers, journals, files, plugins from the build. Only the socket is stood in for, at
// the seam where net/ would be (session/link.hpp): what a session sends is kept, and what a peer would send is handed
// in.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "../support/on_loop.hpp"
#include "base/json.hpp"
#include "base/loop.hpp"
#include "base/workers.hpp"
#include "document/journal.hpp"
#include "document/notebook_store.hpp"
#include "document/path_policy.hpp"
#include "plugin/registry.hpp"
#include "plugin/transport.hpp"
#include "runtime/service.hpp"
#include "session/directory.hpp"

namespace lectern::session::testing {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
inline constexpr auto patience = 20s;

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (fs::temp_directory_path() / "lectern-session-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline const std::string small_notebook =
    R"({"cells":[{"cell_type":"code","execution_count":null,"id":"a","metadata":{},"outputs":[],"source":["x = 1"]},)"
    R"({"cell_type":"markdown","id":"b","metadata":{},"source":["hello"]}],"metadata":{},"nbformat":4,"nbformat_minor":5})";

/// Asks and waits for the one answer.
template <class T>
Result<T> ask(const std::function<void(Reply<T>)>& question) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  auto future = promise->get_future();
  question([promise](Result<T> answer) { promise->set_value(std::move(answer)); });
  if (future.wait_for(patience) != std::future_status::ready) {
    return fail(504, "test_timeout", "no answer within the test's patience");
  }
  return future.get();
}

/// A host without a front door.
class Host {
 public:
  explicit Host(const fs::path& folder, Settings settings = {}, std::vector<fs::path> more_plugins = {})
      : root_(folder / "root"),
        state_(folder / "state"),
        workers_(threads),
        loop_("session-test"),
        second_("session-test2") {
    fs::create_directories(root_);
    plugin::RegistryOptions options;
    options.search = {LECTERN_TEST_PLUGINS};
    for (auto& path : more_plugins) options.search.push_back(std::move(path));
    options.staging = state_;
    registry_ = std::make_unique<plugin::Registry>(options);
    paths_ = std::make_unique<document::PathPolicy>(std::move(*document::PathPolicy::create(root_.string())));
    store_ = std::move(*document::NotebookStore::create({state_.string(), {}}, journals_));
    runtime_ = std::make_unique<runtime::Service>(*registry_, workers_, state_);
    Services services;
    services.registry = registry_.get();
    services.store = store_.get();
    services.journals = &journals_;
    services.paths = paths_.get();
    services.runtime = runtime_.get();
    services.workers = &workers_;
    services.device_name = "testbed";
    services.state_dir = state_.string();
    for (const auto& id : registry_->ids(plugin::Kind::transport)) {
      auto generation = registry_->load(plugin::Kind::transport, id);
      if (!generation) continue;
      if (auto transport = plugin::Transport::create(*generation, "{}")) services.transports.push_back(*transport);
    }
    directory_ = std::make_unique<Directory>(services, settings, std::vector<Loop*>{&loop_, &second_});
  }

  [[nodiscard]] Directory& directory() { return *directory_; }
  [[nodiscard]] const fs::path& root() const { return root_; }
  [[nodiscard]] plugin::Registry& registry() { return *registry_; }
  [[nodiscard]] Workers& workers() { return workers_; }
  void write(const std::string& name, const std::string& text) { std::ofstream(root_ / name) << text; }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(root_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Result<SessionPtr> open(const std::string& name) {
    return ask<SessionPtr>([&](Reply<SessionPtr> reply) { directory_->open(name, std::move(reply)); });
  }
  /// Opens `name`, and no worker is free to build its document until build() is called: tasks start in order, and the
  /// ones that wait here are queued behind the opening and before the building.
  Result<SessionPtr> open_unbuilt(const std::string& name) {
    std::promise<void> opened;
    hold_workers(opened.get_future().share());
    return ask<SessionPtr>([&](Reply<SessionPtr> reply) {
      directory_->open(name, std::move(reply));
      hold_workers(may_build_.get_future().share());
      opened.set_value();
    });
  }
  /// Lets the document of open_unbuilt() be built.
  void build() {
    if (!std::exchange(building_, true)) may_build_.set_value();
  }
  /// What was posted to the reactors after this waits for `until`.
  void hold_reactors(const std::shared_future<void>& until) {
    for (auto* loop : {&loop_, &second_}) loop->post([until] { until.wait(); });
  }
  /// Everything that was given to the workers until now has ended.
  void settle_workers() {
    const auto all = std::make_shared<std::latch>(static_cast<std::ptrdiff_t>(threads) + 1);
    for (std::size_t i = 0; i < threads; ++i) workers_.submit([all] { all->arrive_and_wait(); });
    all->arrive_and_wait();
  }
  /// What is given to the workers after this waits for `until`.
  void hold_workers(const std::shared_future<void>& until) {
    for (std::size_t i = 0; i < threads; ++i) workers_.submit([until] { until.wait(); });
  }
  ~Host() { build(); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

 private:
  static constexpr std::size_t threads = 4;

  fs::path root_, state_;
  std::unique_ptr<plugin::Registry> registry_;
  document::JournalWriter journals_;
  std::promise<void> may_build_;
  bool building_ = false;
  Workers workers_;
  Loop loop_, second_;
  std::unique_ptr<document::PathPolicy> paths_;
  std::unique_ptr<document::NotebookStore> store_;
  std::unique_ptr<runtime::Service> runtime_;
  std::unique_ptr<Directory> directory_;
};

struct Received {
  std::string op;
  std::optional<std::uint64_t> seq;
  json::Value data;
  std::string binary;  // a binary frame, whole
};

/// One tab: a connection and what came over it. Used from the test's thread.
class Tab {
 public:
  struct How {
    How() = default;
    explicit How(std::string query_) : query(std::move(query_)) {}
    std::string query = "{}";
    std::string key;
    std::uint32_t scope = 3;
    std::string route = "connect", subprotocol = "lectern.v1";
  };
  explicit Tab(SessionPtr session) : Tab(std::move(session), How{}) {}
  /// `stop_after`: see stop_reading_after().
  Tab(SessionPtr session, How how, std::string stop_after = {})
      : session_(std::move(session)), socket_(std::make_shared<Socket>()) {
    socket_->loop = &session_->loop();
    socket_->stop_after = std::move(stop_after);
    ConnectRequest request;
    request.route = how.route;
    request.subprotocol = how.subprotocol;
    request.query_json = how.query;
    request.client_key = how.key;
    request.scope = how.scope;
    request.principal = "owner";
    on_loop([this, &request] { socket_->events = session_->connect(std::move(request), *socket_); });
  }
  ~Tab() { cut(true); }
  Tab(const Tab&) = delete;
  Tab& operator=(const Tab&) = delete;

  /// Runs `work` on the session's loop and waits.
  void on_loop(const std::function<void()>& work) { test::on_loop(session_->loop(), work); }
  /// The peer hangs up: cleanly, or as a cut line does.
  void cut(bool clean) {
    on_loop([this, clean] { socket_->end(clean); });
  }
  void send(const std::string& text) {
    on_loop([this, &text] {
      if (socket_->events) socket_->events->on_frame(false, text);
    });
  }
  void send_binary(const std::string& bytes) {
    on_loop([this, &bytes] {
      if (socket_->events) socket_->events->on_frame(true, bytes);
    });
  }
  /// The peer stops reading, or reads on.
  void stop_reading() {
    on_loop([this] { socket_->reading = false; });
  }
  /// The peer stops reading right after the first frame that holds `text`.
  void stop_reading_after(const std::string& text) {
    on_loop([this, &text] { socket_->stop_after = text; });
  }
  /// The peer is gone without a word: no pong comes any more.
  void fall_silent() {
    on_loop([this] { socket_->answers_pings = false; });
  }
  void read_on() {
    on_loop([this] {
      socket_->reading = true;
      const bool was_full = socket_->queued >= 64u << 10;
      socket_->queued = 0;
      if (was_full && socket_->events) socket_->events->on_drained();
    });
  }

  /// The next frame that `wanted` accepts, after those already returned; earlier ones are skipped. Fails the test when
  /// it does not come.
  Received await(const std::function<bool(const Received&)>& wanted, const std::string& what) {
    std::unique_lock lock(socket_->mutex);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (true) {
      for (; next_ < socket_->frames.size(); ++next_) {
        auto received = parse(*socket_->frames[next_]);
        if (!wanted(received)) continue;
        ++next_;
        return received;
      }
      if (socket_->changed.wait_until(lock, deadline) == std::cv_status::timeout) {
        ADD_FAILURE() << "no " << what << " came; the last frames were:" << tail();
        return {};
      }
    }
  }
  Received await(const std::string& op) {
    return await([&](const Received& one) { return one.op == op; }, op);
  }
  /// Sends a command and waits for its reply (`data`).
  json::Value command(const std::string& name, const std::string& body = "{}",
                      std::optional<std::uint64_t> epoch = std::nullopt, std::string id = {}) {
    if (id.empty()) id = "t" + std::to_string(++last_id_);
    send("{\"id\":\"" + id + "\",\"command\":\"" + name + "\",\"body\":" + body +
         (epoch ? ",\"epoch\":" + std::to_string(*epoch) : std::string()) + "}");
    return reply(id);
  }
  json::Value reply(const std::string& id) {
    return await(
               [&](const Received& one) {
                 return one.op == "reply" && one.data.find("id") != nullptr && *one.data.find("id")->as_string() == id;
               },
               "reply to " + id)
        .data;
  }
  /// Everything that has come so far, from the first frame on.
  std::vector<Received> all() {
    const std::scoped_lock lock(socket_->mutex);
    std::vector<Received> out;
    for (const auto& frame : socket_->frames) out.push_back(parse(*frame));
    return out;
  }
  /// Everything the session has posted until now has been sent.
  void settle() {
    for (int i = 0; i < 3; ++i) on_loop([] {});
  }
  /// Waits for the session to close the connection: the code and reason.
  std::pair<std::uint16_t, std::string> await_close() {
    std::unique_lock lock(socket_->mutex);
    socket_->changed.wait_for(lock, patience, [this] { return socket_->code != 0; });
    return {socket_->code, socket_->reason};
  }
  [[nodiscard]] bool closed() {
    const std::scoped_lock lock(socket_->mutex);
    return socket_->code != 0;
  }
  /// "id.secret" of this tab, from its kernel-ready.
  [[nodiscard]] static std::string key_of(const Received& ready) {
    const auto* client = ready.data.find("client");
    return *client->find("id")->as_string() + "." + *client->find("secret")->as_string();
  }

 private:
  struct Socket final : Link {
    void send(FramePtr frame) override {
      const std::scoped_lock lock(mutex);
      if (!reading) queued += frame->bytes.size();
      if (!stop_after.empty() && frame->bytes.find(stop_after) != std::string::npos) {
        reading = false;
        stop_after.clear();
      }
      frames.push_back(std::move(frame));
      changed.notify_all();
    }
    [[nodiscard]] std::size_t queued_bytes() const override { return queued; }
    void close(std::uint16_t code_, std::string reason_) override {
      {
        const std::scoped_lock lock(mutex);
        code = code_;
        reason = std::move(reason_);
        changed.notify_all();
      }
      loop->post([self = keep] {
        if (const auto socket = self.lock()) socket->end(true);
      });
    }
    void cut() override {
      loop->post([self = keep] {
        if (const auto socket = self.lock()) socket->end(false);
      });
    }
    void ping() override {}
    [[nodiscard]] bool alive_since(std::int64_t) const override { return answers_pings; }
    void end(bool clean) {
      if (!events) return;
      auto last = std::move(events);
      last->on_closed(clean);
    }
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<FramePtr> frames;
    std::uint16_t code = 0;
    std::string reason;
    std::unique_ptr<LinkEvents> events;
    Loop* loop = nullptr;
    std::weak_ptr<Socket> keep;
    std::size_t queued = 0;
    std::string stop_after;
    bool reading = true;
    bool answers_pings = true;
  };

  static Received parse(const Frame& frame) {
    Received out;
    if (frame.binary) {
      out.binary = frame.bytes;
      return out;
    }
    auto text = frame.bytes;
    if (text.starts_with("id: ") || text.starts_with("data: ")) text = text.substr(text.find("data: ") + 6);
    auto value = json::parse(text);
    if (!value) return out;
    if (const auto* op = value->find("op")) out.op = *op->as_string();
    if (const auto* seq = value->find("seq")) out.seq = seq->as_uint();
    if (auto* data = value->find("data")) out.data = std::move(*data);
    return out;
  }
  std::string tail() const {
    std::string out;
    const std::size_t from = socket_->frames.size() > 12 ? socket_->frames.size() - 12 : 0;
    for (std::size_t i = from; i < socket_->frames.size(); ++i) {
      out += "\n  " + (socket_->frames[i]->binary ? std::string("(binary)") : socket_->frames[i]->bytes.substr(0, 300));
    }
    return out;
  }

  SessionPtr session_;
  std::shared_ptr<Socket> socket_;
  std::size_t next_ = 0;
  std::uint64_t last_id_ = 0;

 public:
  /// The socket keeps itself for the turn in which it closes.
  void tie() { socket_->keep = socket_; }
};

/// A host with one small notebook, opened.
class SessionTest : public ::testing::Test {
 protected:
  void start(Settings settings = {}, std::vector<fs::path> plugins = {}) {
    host_ = std::make_unique<Host>(folder_.path(), std::move(settings), std::move(plugins));
    if (!fs::exists(host_->root() / "n.ipynb")) host_->write("n.ipynb", small_notebook);
    auto opened = host_->open("n.ipynb");
    ASSERT_TRUE(opened) << opened.error().message;
    session_ = *opened;
  }
  /// start() with a document that is not built before host_->build().
  void start_unbuilt(Settings settings = {}) {
    host_ = std::make_unique<Host>(folder_.path(), std::move(settings));
    host_->write("n.ipynb", small_notebook);
    auto opened = host_->open_unbuilt("n.ipynb");
    ASSERT_TRUE(opened) << opened.error().message;
    session_ = *opened;
  }
  std::unique_ptr<Tab> tab(Tab::How how = {}) {
    auto made = std::make_unique<Tab>(session_, std::move(how));
    made->tie();
    return made;
  }
  void TearDown() override {
    session_.reset();
    host_.reset();
  }
  TempFolder folder_;
  std::unique_ptr<Host> host_;
  SessionPtr session_;
};

inline std::string text_of(const json::Value& value, std::string_view key) {
  const auto* found = value.find(key);
  return found != nullptr && found->is_string() ? *found->as_string() : std::string();
}
inline std::uint64_t number_of(const json::Value& value, std::string_view key) {
  const auto* found = value.find(key);
  return found == nullptr ? 0 : found->as_uint().value_or(0);
}
inline bool flag_of(const json::Value& value, std::string_view key) {
  const auto* found = value.find(key);
  return found != nullptr && found->as_bool().value_or(false);
}
/// The member at a path of keys, null when it is not there.
inline json::Value at(const json::Value& value, std::initializer_list<std::string_view> path) {
  const auto* here = &value;
  for (const auto key : path) {
    here = here == nullptr ? nullptr : here->find(key);
  }
  return here == nullptr ? json::Value() : *here;
}
inline std::string error_code(const json::Value& reply) {
  return text_of(at(reply, {"error"}), "code");
}
inline bool edits(const json::Value& data) {
  return flag_of(at(data, {"consumer_capabilities"}), "edit");
}

}  // namespace lectern::session::testing
