// The store: <prefix>:presence:v1:record:<device_id>/<instance_id>, a record that the server lets expire, and
// <prefix>:presence:v1:index, a sorted set of their names by the server's time at which they do. Nothing else of the
// server's is looked at.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "connection.hpp"
#include "lectern/sdk/health.hpp"
#include "lectern/sdk/presence.hpp"
#include "settings.hpp"

namespace presence_redis {

class Redis final : public lectern::sdk::Presence {
 public:
  static constexpr std::uint64_t lag_ms = 1'000, min_period_ms = 1'000;
  static constexpr std::string_view config_schema = Settings::schema;
  /// Degraded from a publish that failed until one that did not.
  static lectern::sdk::Health health();

  /// Does not connect: a server that is away now may come.
  explicit Redis(std::string_view config);

  void publish(std::string_view device_id, std::string_view instance_id, std::string_view record) override;
  void remove(std::string_view device_id, std::string_view instance_id) override;
  void snapshot(const lectern::sdk::PresenceSink& out) override;

 private:
  using Clock = Connection::Clock;
  /// Sends commands and gives their replies, none of which is an error.
  using Ask = std::function<std::vector<Reply>(const std::vector<Arguments>&)>;

  void with_server(const std::function<void(const Ask&)>& body);
  void attempt(const std::function<void(const Ask&)>& body, Clock::time_point deadline);
  void back_off(const std::string& why);
  [[nodiscard]] std::string key(std::string_view name) const;
  void give(const lectern::sdk::PresenceSink& out, const std::string& member, const std::string& record) const;

  const Settings settings_;
  std::mutex mutex_;  // of what follows: calls queue, each for at most the timeout
  std::unique_ptr<Connection> connection_;
  std::mt19937_64 random_{std::random_device{}()};
  unsigned failures_ = 0;
  Clock::time_point rest_until_;  // no try before that
  std::string last_words_;
};

}  // namespace presence_redis
