// What one front door's connections share. Private to net/.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/loop.hpp"
#include "net/detached_answers.hpp"
#include "net/front_door.hpp"
#include "net/http_head.hpp"
#include "net/links.hpp"

namespace lectern::net {

/// A descriptor that becomes readable once and stays so: every wait of a worker includes it, so stop() wakes them all.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  void raise();
  [[nodiscard]] bool raised() const { return raised_.load(std::memory_order_relaxed); }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
  std::atomic<bool> raised_{false};
};

/// How many sockets each address has with workers or waiting for one.
class Peers {
 public:
  /// [any] False when `address` has `limit` sockets already (0 = no limit). `socket` names it until leave().
  bool enter(const void* socket, const std::string& address, std::size_t limit);
  void leave(const void* socket);
  [[nodiscard]] std::size_t count() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::size_t, std::less<>> counts_;
  std::unordered_map<const void*, std::string> sockets_;
};

class DeferredAnswer;

struct Door : std::enable_shared_from_this<Door> {
  Door(const FrontDoorOptions& given, api::Handler& api) : options(given), handler(api), loop("net"), answers(loop) {}

  const FrontDoorOptions options;
  const HeadLimits head_limits{};
  api::Handler& handler;
  TlsServer* tls = nullptr;  // set before the first connection; null: plain
  Loop loop;                 // late and large answers
  DetachedAnswers answers;
  struct Late {
    Timer deadline;
    std::weak_ptr<DeferredAnswer> answer;
  };
  std::unordered_map<const DeferredAnswer*, Late> late;  // Deferreds whose worker has gone on; on `loop` only
  std::shared_ptr<Links> links = std::make_shared<Links>();
  StopSignal stop;
  Peers peers;
  std::atomic<bool> draining{false};
  std::atomic<std::uint64_t> requests{0}, refused{0};
  std::atomic<std::size_t> busy{0};  // workers in an exchange
};

}  // namespace lectern::net
