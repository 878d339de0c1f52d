// The kernels that the gateways offer. Asking them never keeps anybody waiting long: what is known is answered, and
// the list is renewed behind it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server.hpp"

namespace gateway {

struct Spec {
  std::string name;    // as the host knows it
  std::string remote;  // as its gateway knows it
  std::string display_name, language, interrupt_mode;
  std::shared_ptr<const Server> server;
};

/// The specs in an answer to GET /api/kernelspecs; damaged ones are left out.
std::vector<Spec> read_specs(std::string_view body, const std::shared_ptr<const Server>& server);

class Specs : public std::enable_shared_from_this<Specs> {
 public:
  explicit Specs(std::vector<std::shared_ptr<const Server>> servers);
  /// [worker] Waits at most two seconds. Where two gateways have a kernel of one name, the first keeps it and the other
  /// is <name>@<host:port>. A gateway that cannot be reached keeps what it had. Throws lectern::sdk::Failure while
  /// none ever answered.
  std::vector<Spec> list();

 private:
  using Clock = std::chrono::steady_clock;
  struct Known {
    std::vector<Spec> specs;
    std::string problem;
    bool answered = false;  // ever
  };

  void ask(std::size_t which);
  void answered(std::size_t which, const net::Answer& answer);
  [[nodiscard]] std::vector<Spec> all() const;

  const std::vector<std::shared_ptr<const Server>> servers_;
  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::vector<Known> known_;
  std::size_t open_ = 0;  // answers that are not there yet
  bool patience_spent_ = false;
  Clock::time_point renewed_{};
};

}  // namespace gateway
