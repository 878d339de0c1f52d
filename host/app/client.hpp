// The CLI's HTTP client.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "app/running.hpp"
#include "base/json.hpp"
#include "base/result.hpp"

namespace lectern::app {

class Client {
 public:
  /// [control] `server` as in the running list. 400 `usage` for a URL that is none.
  static Result<Client> to(RunningServer server);

  struct Answer {
    int status = 0;
    json::Value body;
    std::string text;  // as it came; what is no JSON has no body
  };
  /// [control] One request with a JSON body (null: none). Errors: status 0 code `unreachable`; else what the server
  /// said, with its status and code.
  Result<Answer> request(const std::string& method, const std::string& path, const json::Value& body = {},
                         const std::vector<std::pair<std::string, std::string>>& headers = {}, int timeout_s = 130);
  [[nodiscard]] const RunningServer& server() const { return server_; }

 private:
  RunningServer server_;
  std::string host_;
  unsigned short port_ = 0;
  bool tls_ = false;
};

}  // namespace lectern::app
