// A session's runtime on a loop of its own, and a viewer that knows only what cell-ops told it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/loop.hpp"
#include "base/workers.hpp"
#include "plugin/registry.hpp"
#include "runtime/session_runtime.hpp"

namespace lectern::runtime::testing {

namespace fs = std::filesystem;

/// A folder that goes away with its owner.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (fs::temp_directory_path() / "lectern-test-XXXXXX").string();
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

struct SeenCell {
  std::string status, execution_id, reason;
  std::int64_t count = 0;
  std::vector<json::Value> outputs;
  std::vector<std::string> statuses;  // in order, repeats left out
  std::size_t events = 0;

  [[nodiscard]] std::string text(std::size_t index, std::string_view member = "text") const {
    if (index >= outputs.size()) return "(no output " + std::to_string(index) + ")";
    const auto* value = outputs[index].find(member);
    return value != nullptr && value->as_string() != nullptr ? *value->as_string() : "(not a string)";
  }
  [[nodiscard]] std::string mime(std::size_t index, std::string_view type) const {
    const auto* data = index < outputs.size() ? outputs[index].find("data") : nullptr;
    const auto* value = data != nullptr ? data->find(type) : nullptr;
    return value != nullptr && value->as_string() != nullptr ? *value->as_string() : "(not there)";
  }
};

/// What one tab knows.
class Viewer final : public RuntimeListener {
 public:
  void on_cell_op(const std::string& cell_id, std::string data, bool) override {
    const auto parsed = json::parse(data, {256u << 20, 64, 10'000'000, true});
    const std::scoped_lock lock(mutex_);
    ASSERT_TRUE(parsed.has_value()) << data.substr(0, 500);
    apply(cells_[cell_id], *parsed);
    told_.push_back(cell_id);
    changed_.notify_all();
  }
  void on_kernel_status(std::string data) override {
    const std::scoped_lock lock(mutex_);
    const auto value = json::parse(data);
    states_.push_back(*value->find("state")->as_string());
    error_ = value->find("error") != nullptr ? *value->find("error")->as_string() : "";
    changed_.notify_all();
  }
  void on_input_request(const std::string& request_id, std::string data) override {
    const std::scoped_lock lock(mutex_);
    input_id_ = request_id;
    input_data_ = std::move(data);
    changed_.notify_all();
  }
  void on_input_done(const std::string&) override {
    const std::scoped_lock lock(mutex_);
    input_id_.clear();
    changed_.notify_all();
  }
  void on_model(const ModelEvent& event) override {
    const std::scoped_lock lock(mutex_);
    models_.push_back(event);
    changed_.notify_all();
  }
  void on_kernel_info(const KernelInfo&, std::string info) override {
    const std::scoped_lock lock(mutex_);
    info_ = std::move(info);
    changed_.notify_all();
  }

  /// Waits until `condition` holds; it is asked under the lock. False when `limit` passed first.
  template <class Condition>
  bool wait(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(30)) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, condition);
  }
  SeenCell cell(const std::string& id) {
    const std::scoped_lock lock(mutex_);
    return cells_[id];
  }
  bool wait_status(const std::string& cell_id, const std::string& status) {
    return wait([&] { return cells_[cell_id].status == status; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, SeenCell> cells_;
  std::vector<std::string> told_;  // the cell of each cell-op, in order
  std::vector<std::string> states_;
  std::vector<ModelEvent> models_;
  std::string error_, input_id_, input_data_, info_;

  /// The rules of cell-op (protocol 5), as the page follows them.
  static void apply(SeenCell& cell, const json::Value& data) {
    ++cell.events;
    cell.status = *data.find("status")->as_string();
    if (cell.statuses.empty() || cell.statuses.back() != cell.status) cell.statuses.push_back(cell.status);
    if (const auto* id = data.find("execution_id")) cell.execution_id = *id->as_string();
    if (const auto* count = data.find("execution_count")) cell.count = *count->as_int();
    if (const auto* reason = data.find("reason")) cell.reason = *reason->as_string();
    for (const auto& op : *data.find("outputs")->as_array()) {
      const auto& name = *op.find("op")->as_string();
      if (name == "clear") {
        cell.outputs.clear();
      } else if (name == "append") {
        cell.outputs.push_back(*op.find("output"));
      } else {
        auto& output = cell.outputs.at(*op.find("index")->as_uint());
        if (name == "replace") {
          output = *op.find("output");
        } else {
          output.set("text", *output.find("text")->as_string() + *op.find("text")->as_string());
        }
      }
    }
  }
};

class KernelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto venv = fs::path(LECTERN_TEST_DATA).parent_path().parent_path() / ".venv";
    if (std::getenv("LECTERN_VENV") == nullptr) ::setenv("LECTERN_VENV", venv.c_str(), 1);
    ASSERT_TRUE(fs::exists(fs::path(std::getenv("LECTERN_VENV")) / "share/jupyter/kernels/python3/kernel.json"))
        << "these tests need ipykernel and ipywidgets in .venv, or where LECTERN_VENV says";
    loop_ = std::make_unique<Loop>("session");
    workers_ = std::make_unique<Workers>(2);
    registry_ = std::make_unique<plugin::Registry>(
        plugin::RegistryOptions{{fs::path(LECTERN_TEST_PLUGINS)}, folder_.path() / "staging"});
    PluginSettings settings;
    settings.of["runtime-jupyter"] = R"({"connection_dir":")" + (folder_.path() / "run").string() + "\"}";
    service_ = std::make_unique<Service>(*registry_, *workers_, folder_.path(), std::move(settings));
    on_loop([&] { runtime_ = std::make_unique<SessionRuntime>(*loop_, *service_, viewer_); });
  }
  void TearDown() override {
    on_loop([&] { runtime_.reset(); });
    service_.reset();
    workers_.reset();
    loop_.reset();
    registry_.reset();
  }

  template <class Function>
  std::invoke_result_t<Function> on_loop(Function function) {
    std::promise<std::invoke_result_t<Function>> promise;
    loop_->post([&] {
      if constexpr (std::is_void_v<std::invoke_result_t<Function>>) {
        function();
        promise.set_value();
      } else {
        promise.set_value(function());
      }
    });
    return promise.get_future().get();
  }
  /// Writes to a model, and waits for what becomes of it.
  Result<std::uint64_t> write_to(const std::string& model_id, const json::Value& message, const std::string& by) {
    std::promise<Result<std::uint64_t>> promise;
    on_loop([&] {
      runtime_->model(model_id, message, {}, by,
                      [&](Result<std::uint64_t> revision) { promise.set_value(std::move(revision)); });
    });
    return promise.get_future().get();
  }
  void start(const std::string& runtime = "jupyter/python3") {
    std::promise<Result<KernelInfo>> promise;
    on_loop([&] {
      StartOptions options;
      options.cwd = folder_.path().string();
      runtime_->start(runtime, {}, std::move(options),
                      [&](Result<KernelInfo> info) { promise.set_value(std::move(info)); });
    });
    const auto started = promise.get_future().get();
    ASSERT_TRUE(started.has_value()) << started.error().message;
  }
  void execute(const std::string& cell_id, const std::string& code) {
    const auto queued = on_loop([&] { return runtime_->execute({{cell_id, code}}, "client-1"); });
    ASSERT_TRUE(queued.has_value()) << queued.error().message;
  }
  SeenCell run(const std::string& cell_id, const std::string& code) {
    execute(cell_id, code);
    const bool ended = viewer_.wait([&] {
      const auto& status = viewer_.cells_[cell_id].status;
      return status == "idle" || status == "error" || status == "cancelled";
    });
    EXPECT_TRUE(ended) << cell_id << " is " << viewer_.cell(cell_id).status;
    return viewer_.cell(cell_id);
  }

  TempFolder folder_;
  Viewer viewer_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Workers> workers_;
  std::unique_ptr<plugin::Registry> registry_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<SessionRuntime> runtime_;
};

}  // namespace lectern::runtime::testing
