// The stores that the contract of presence backends is tried on: each a plugin as it is loaded, its real store beneath,
// and the ways to plant what no host would write and to take the store away.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "../support/redis_server.hpp"
#include "plugin/presence.hpp"
#include "plugin/registry.hpp"
#include "plugin_support.hpp"

namespace lectern::presence::testing {

namespace fs = std::filesystem;
using Backend = std::shared_ptr<plugin::PresenceBackend>;

class Store {
 public:
  explicit Store(std::string id) : id_(std::move(id)), redis_(base_.path() / "redis") {
    plugin::RegistryOptions options{{plugin::testing::shipped}, base_.path() / "staging"};
    if (plugin::testing::isolated_run()) options = plugin::testing::isolating(std::move(options));
    registry_ = std::make_unique<plugin::Registry>(std::move(options));
  }
  /// Why it cannot be tried here; empty when it can.
  std::string start() {
    if (plugin::testing::isolated_run() && is_redis()) return "a plugin without sockets reaches no server";
    if (plugin::testing::isolated_run() && !plugin::testing::has_landlock()) {
      return "this kernel has no Landlock: presence backends cannot be isolated";
    }
    if (!is_redis() || redis_.start()) return {};
    ADD_FAILURE() << "redis-server does not start: is it installed?";
    return "no server";
  }
  [[nodiscard]] bool is_redis() const { return id_ == "presence-redis"; }
  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] fs::path root() const { return base_.path() / "shared"; }
  [[nodiscard]] test::RedisServer& redis() { return redis_; }

  Result<Backend> open() {
    auto generation = registry_->load(plugin::Kind::presence, id_);
    if (!generation) return fail(generation.error());
    return plugin::PresenceBackend::open(*generation, config());
  }
  [[nodiscard]] std::string config() const {
    return is_redis() ? R"({"address":"unix:)" + redis_.socket() + R"(","timeout_ms":20000})"
                      : R"({"folder":")" + root().string() + "\"}";
  }

  /// Puts `text` where the record of that device and instance lies, past the plugin. Locally somebody must have
  /// published before: it goes into his home.
  void plant(const std::string& device, const std::string& instance, const std::string& text) {
    if (is_redis()) {
      const auto member = device + "/" + instance;
      redis_.ask({"SET", "lectern:presence:v1:record:" + member, text});
      redis_.ask({"ZADD", "lectern:presence:v1:index", "9000000000000", member});
      return;
    }
    const auto file = id_ == "presence-folder" ? root() / "v1" / device / (instance + ".json")
                                               : home() / (device + "." + instance + ".json");
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }
  void take_away() {
    if (is_redis()) return redis_.stop();
    fs::rename(root(), base_.path() / "away");
    std::ofstream(root()) << "a file in its place";
  }
  void bring_back() {
    if (is_redis()) {
      EXPECT_TRUE(redis_.start());
      return;
    }
    fs::remove(root());
    fs::rename(base_.path() / "away", root());
  }

 private:
  fs::path home() const {
    for (const auto& entry : fs::directory_iterator(root() / "v1")) {
      if (entry.path().filename().string().front() != '.') return entry.path();
    }
    return root() / "v1" / "none";
  }

  std::string id_;
  plugin::testing::TemporaryFolder base_;
  test::RedisServer redis_;
  std::unique_ptr<plugin::Registry> registry_;
};

}  // namespace lectern::presence::testing
