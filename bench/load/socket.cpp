#include "load/socket.hpp"

#include <cstring>

#include "load/http.hpp"
#include "load/stats.hpp"

namespace load {

Socket::Socket(const Host& host, const std::string& session, const std::string& query, Company* company)
    : WebSocket(host.port(), "/api/v1/sessions/" + session + "/connect?" + query,
                {"Authorization: Bearer " + host.token(), "Sec-WebSocket-Protocol: lectern.v1"}, company) {
  for (bool complete = false; !complete;) {
    const auto message = receive();
    if (message.binary) {
      if (message.bytes[0] == 6) {
        std::uint32_t header = 0;
        std::memcpy(&header, message.bytes.data() + 1, 4);
        document_ = message.bytes.substr(5 + header);
      }
      continue;
    }
    if (ready_us_ == 0 && message.bytes.find("\"kernel-ready\"") != std::string::npos) {
      ready_us_ = now_us();
      const auto frame = parse_json(message.bytes, "kernel-ready");
      const auto& data = *frame.find("data");
      client_id_ = *data.find("client")->find("id")->as_string();
      client_key_ = client_id_ + "." + *data.find("client")->find("secret")->as_string();
      actor_ = *data.find("actor")->as_string();
      if (const auto* epoch = data.find("epoch")) epoch_ = epoch->as_uint().value_or(0);
    }
    complete = message.bytes.find("\"replay-complete\"") != std::string::npos;
  }
  const bool wants_document = query.find("document=changes") != std::string::npos;
  while (wants_document && document_.empty()) {
    const auto message = receive();
    if (!message.binary || message.bytes[0] != 6) continue;
    std::uint32_t header = 0;
    std::memcpy(&header, message.bytes.data() + 1, 4);
    document_ = message.bytes.substr(5 + header);
  }
}

}  // namespace load
