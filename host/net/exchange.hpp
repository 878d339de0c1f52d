// One connection on one worker thread: request after request, until it closes or moves to a reactor.
#pragma once

#include <Poco/Net/TCPServerConnection.h>

#include <string>

#include "net/door.hpp"
#include "net/sync_reader.hpp"

namespace lectern::net {

class Exchange final : public Poco::Net::TCPServerConnection {
 public:
  Exchange(const Poco::Net::StreamSocket& socket, Door& door);
  ~Exchange() override;
  void run() override;

 private:
  enum class Next { keep_alive, close, linger, moved };

  Next one_request(bool first);
  Next handle(const Head& head, std::string body);
  /// Empty when the connection ends without an answer.
  Result<std::optional<Head>> read_head(bool first);
  Result<std::string> read_body(const Head& head, std::size_t limit);
  Result<std::string> read_fixed(std::uint64_t length);
  Result<std::string> read_chunked(std::size_t limit);
  Status more_body(std::int64_t started, std::size_t received);

  Next answer(api::Response response, bool head_only, bool keep_alive);
  Next refuse(const Error& error, bool head_only = false);
  Next answer_deferred(api::Deferred deferred, bool head_only, bool keep_alive);
  Next move(const Head& head, std::unique_ptr<api::Upgrade> upgrade);

  Door& door_;
  Wire wire_;
  SyncReader reader_;
  std::string peer_;
  bool loopback_ = false;
  bool all_read_ = false;  // of the current request
  const void* const identity_;
};

}  // namespace lectern::net
