#include "redis.hpp"

#include <algorithm>
#include <charconv>

#include "../presence-common/records.hpp"
#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace presence_redis {
using namespace presence_common;
using lectern::sdk::Failure;
namespace json = lectern::sdk::json;
namespace {

constexpr std::size_t max_members = 10'000;
constexpr std::size_t batch = 32;             // at most 8 MiB of records on their way at once
constexpr std::size_t max_bytes = 64u << 20;  // of all records together
constexpr std::int64_t index_life_ms = 24 * 3'600'000;
constexpr std::int64_t least_life_ms = 120'000, most_life_ms = 3'600'000;
constexpr std::chrono::milliseconds first_rest{250}, longest_rest{30'000};

Trouble& last_trouble() {
  static Trouble trouble;
  return trouble;
}

/// How long a record stays without being renewed: longer than any reader shows it, so that readers, not the server,
/// decide when it is stale and when it is gone, and so that the last word of one that ended is heard.
std::int64_t life_of(std::string_view record) {
  const auto slice = json::member(record, "ttl_ms");
  std::int64_t ttl = 0;
  if (!slice.empty()) std::from_chars(slice.data(), slice.data() + slice.size(), ttl);
  return std::clamp(4 * std::clamp<std::int64_t>(ttl, 0, most_life_ms), least_life_ms, most_life_ms);
}

/// The server's clock: the one that lets records expire. Ours may be wrong.
std::int64_t server_ms(const Reply& time) {
  if (time.list.size() != 2) throw Broken("does not tell the time");
  std::int64_t seconds = 0, us = 0;
  std::from_chars(time.list[0].text.data(), time.list[0].text.data() + time.list[0].text.size(), seconds);
  std::from_chars(time.list[1].text.data(), time.list[1].text.data() + time.list[1].text.size(), us);
  return seconds * 1'000 + us / 1'000;
}

void check_reply(const Reply& reply, const std::string& place) {
  if (reply.kind == Reply::Kind::error) {
    throw Failure(LECTERN_UNAVAILABLE, "the Redis server at " + place + " answered: " + reply.text.substr(0, 200))
        .code("redis_refused");
  }
  for (const auto& one : reply.list) check_reply(one, place);
}

std::string member_of(std::string_view device_id, std::string_view instance_id) {
  return std::string(device_id) + "/" + std::string(instance_id);
}

}  // namespace

lectern::sdk::Health Redis::health() {
  return last_trouble().health();
}

Redis::Redis(std::string_view config) : settings_(Settings::read(config)) {}

std::string Redis::key(std::string_view name) const {
  return settings_.prefix + ":presence:v1:" + std::string(name);
}

/// Waits twice as long with each failure, and not in step with the other hosts that lost the same server.
void Redis::back_off(const std::string& why) {
  connection_.reset();
  const auto longest = std::min(longest_rest, first_rest * (1 << std::min(failures_++, 7u)));
  std::uniform_int_distribution<std::int64_t> some(longest.count() / 2, longest.count());
  rest_until_ = Clock::now() + std::chrono::milliseconds(some(random_));
  last_words_ = why;
}

void Redis::attempt(const std::function<void(const Ask&)>& body, Clock::time_point deadline) {
  if (!connection_) connection_ = std::make_unique<Connection>(settings_, deadline);
  body([&](const std::vector<Arguments>& commands) {
    auto replies = connection_->call(commands, deadline);
    for (const auto& reply : replies) check_reply(reply, settings_.place());
    return replies;
  });
}

/// Runs `body` on a connection. One that was lost while nobody used it costs no call: servers close idle ones.
/// Everything that is sent here may be sent twice.
void Redis::with_server(const std::function<void(const Ask&)>& body) {
  const std::scoped_lock lock(mutex_);
  if (!connection_ && Clock::now() < rest_until_) {
    throw Failure(LECTERN_UNAVAILABLE, last_words_ + "; tried again within 30 s",
                  "check that the server runs and that \"address\" is right")
        .code("redis_unreachable");
  }
  const auto deadline = Clock::now() + settings_.timeout;
  const bool used_before = connection_ != nullptr;
  try {
    try {
      attempt(body, deadline);
    } catch (const Broken&) {
      if (!used_before || Clock::now() >= deadline) throw;
      connection_.reset();
      attempt(body, deadline);
    }
    failures_ = 0;
  } catch (const Broken& broken) {
    back_off("the Redis server at " + settings_.place() + " " + broken.what());
    throw Failure(LECTERN_UNAVAILABLE, last_words_, "check that the server runs and that \"address\" is right")
        .code("redis_unreachable");
  } catch (const Failure& failure) {
    // Refused in words: the connection may be in the middle of a transaction.
    back_off(failure.what());
    throw;
  } catch (...) {
    connection_.reset();  // the host wants no more, or memory ran out: replies may be left in it
    throw;
  }
}

void Redis::publish(std::string_view device_id, std::string_view instance_id, std::string_view record) {
  last_trouble().watch([&] {
    check_ids(device_id, instance_id);
    check_size(record);
    const auto member = member_of(device_id, instance_id);
    const auto life = life_of(record);
    with_server([&](const Ask& ask) {
      const auto until = server_ms(ask({{"TIME"}})[0]) + life;
      ask({{"MULTI"},
           {"SET", key("record:" + member), std::string(record), "PX", std::to_string(life)},
           {"ZADD", key("index"), std::to_string(until), member},
           {"PEXPIRE", key("index"), std::to_string(index_life_ms)},
           {"EXEC"}});
    });
  });
}

void Redis::remove(std::string_view device_id, std::string_view instance_id) {
  check_ids(device_id, instance_id);
  const auto member = member_of(device_id, instance_id);
  with_server([&](const Ask& ask) {
    ask({{"MULTI"}, {"DEL", key("record:" + member)}, {"ZREM", key("index"), member}, {"EXEC"}});
  });
}

void Redis::snapshot(const lectern::sdk::PresenceSink& out) {
  struct Found {
    std::string member, record;
  };
  std::vector<Found> all;
  std::size_t bytes = 0;
  with_server([&](const Ask& ask) {
    all.clear();
    bytes = 0;
    const auto now = server_ms(ask({{"TIME"}})[0]);
    const auto names = ask({{"ZREMRANGEBYSCORE", key("index"), "-inf", "(" + std::to_string(now)},
                            {"ZRANGE", key("index"), "0", std::to_string(max_members - 1)}})[1];
    for (const auto& name : names.list) all.push_back({name.text, {}});
    for (std::size_t from = 0; from < all.size() && bytes < max_bytes; from += batch) {
      std::vector<Arguments> commands;
      const auto to = std::min(all.size(), from + batch);
      // One byte more than a record may have: what is larger shows, and is never sent whole.
      for (auto i = from; i < to; ++i) {
        commands.push_back({"GETRANGE", key("record:" + all[i].member), "0", std::to_string(max_record_bytes)});
      }
      auto replies = ask(commands);
      for (auto i = from; i < to; ++i) {
        all[i].record = std::move(replies[i - from].text);
        bytes += all[i].record.size();
      }
    }
  });
  for (const auto& found : all) give(out, found.member, found.record);
  if (bytes >= max_bytes) out.rejected(key("index"), "there are more than 64 MiB of records; the rest was left out");
}

void Redis::give(const lectern::sdk::PresenceSink& out, const std::string& member, const std::string& record) const {
  if (record.empty()) return;  // expired since, or put out by a server short of memory
  const auto slash = member.find('/');
  const auto device_id = std::string_view(member).substr(0, slash);
  const auto instance_id = slash == std::string::npos ? std::string_view() : std::string_view(member).substr(slash + 1);
  std::string reason;
  if (!is_id(device_id) || !is_id(instance_id)) {
    reason = "its name is not that of a record";
  } else if (record.size() > max_record_bytes) {
    reason = "it is larger than 256 KiB";
  } else {
    reason = misplaced(record, device_id, instance_id);
  }
  if (reason.empty()) {
    out.record(member, record);
  } else {
    out.rejected(member, reason);
  }
}

}  // namespace presence_redis
