// Where the Redis server is and how one gets in. The password is read from its file with each connection: it is in no
// setting, no message and no log.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace presence_redis {

struct Settings {
  std::string host = "127.0.0.1";  // empty: `socket`
  std::uint16_t port = 6379;
  std::string socket;  // absolute path
  bool tls = false;
  std::string ca_file;  // empty: the system's authorities
  std::string username, password_file;
  int database = 0;
  std::string prefix = "lectern";
  std::chrono::milliseconds timeout{3'000};  // for one call with all it takes

  /// For messages: "127.0.0.1:6379" or the socket's path.
  [[nodiscard]] std::string place() const;
  /// Throws LECTERN_INVALID naming the setting.
  static Settings read(std::string_view config);
  /// The first line of password_file; "" without one. Throws LECTERN_UNAVAILABLE when it cannot be read,
  /// LECTERN_INVALID when others may read it.
  [[nodiscard]] std::string password() const;

  static constexpr std::string_view schema = R"({
    "$schema": "http://json-schema.org/draft-04/schema#",
    "title": "Presence in a Redis server",
    "type": "object",
    "properties": {
      "address": {
        "description": "host:port, [v6]:port, or unix:/path of a socket; default 127.0.0.1:6379",
        "type": "string"
      },
      "tls": {"description": "Speak TLS 1.2 or newer, and check the server's certificate", "type": "boolean"},
      "ca_file": {"description": "Certificates (PEM) to trust in place of the system's", "type": "string"},
      "username": {"type": "string"},
      "password_file": {
        "description": "A file that nobody else may read; its first line is the password",
        "type": "string",
        "pattern": "^/"
      },
      "database": {"type": "integer", "minimum": 0, "maximum": 65535},
      "prefix": {"description": "In front of all keys; default lectern", "type": "string"},
      "timeout_ms": {"type": "integer", "minimum": 50, "maximum": 30000},
      "insecure_plaintext": {
        "description": "Allow a server beyond this machine without TLS",
        "type": "boolean"
      }
    },
    "additionalProperties": false
  })";
};

}  // namespace presence_redis
