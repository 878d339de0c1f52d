// A client of lectern.v1.
#pragma once

#include <cstdint>
#include <string>

#include "load/host.hpp"
#include "load/websocket.hpp"

namespace load {

class Socket : public WebSocket {
 public:
  /// Connects to `session` and waits for replay-complete. `query` is appended ("document=changes").
  Socket(const Host& host, const std::string& session, const std::string& query = "document=events",
         Company* company = nullptr);

  [[nodiscard]] const std::string& client_id() const { return client_id_; }
  [[nodiscard]] const std::string& client_key() const { return client_key_; }
  [[nodiscard]] const std::string& actor() const { return actor_; }
  [[nodiscard]] const std::string& document() const { return document_; }  // save bytes of the 06 frame
  [[nodiscard]] std::int64_t ready_us() const { return ready_us_; }        // when kernel-ready was received whole
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  void set_epoch(std::uint64_t epoch) { epoch_ = epoch; }

 private:
  std::string client_id_, client_key_, actor_, document_;
  std::uint64_t epoch_ = 0;
  std::int64_t ready_us_ = 0;
};

}  // namespace load
