// The head of a request: found in a buffer, checked, parsed. What a proxy and we could read differently is refused
// here, before anything looks at it (request smuggling).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/http.hpp"
#include "base/result.hpp"

namespace lectern::net {

struct HeadLimits {
  std::size_t head = 64u << 10;          // 431 above
  std::size_t request_line = 16u << 10;  // 414 above
  std::size_t header_line = 8u << 10;    // 431 above
  std::size_t headers = 100;             // 431 above
};

/// What follows the head.
struct BodyPlan {
  enum class Kind { none, fixed, chunked };
  Kind kind = Kind::none;
  std::uint64_t length = 0;  // fixed
  bool expects_continue = false;
  bool unsaid = false;  // a method that carries a body, and no word on its length
};

struct Head {
  api::Request request;  // without body, peer, secure
  BodyPlan body;
  bool keep_alive = false;
  bool http_1_1 = false;
};

/// [any] Bytes of `buffer` up to and including the blank line that ends the head; empty while there is none. Errors:
/// 414 `uri_too_long`, 431 `headers_too_large` as soon as it cannot become a legal head any more.
Result<std::optional<std::size_t>> head_size(std::string_view buffer, const HeadLimits& limits);

/// [any] Parses a whole head (as head_size found it). Errors: 400 `bad_request`, 414, 417, 431,
/// 501 `unsupported_transfer_encoding`, 505.
Result<Head> parse_head(std::string_view bytes, const HeadLimits& limits);

/// [any] What RFC 6455 asks of the opening handshake. 400 `bad_upgrade`, 405, 426 `websocket_version` (answer it with
/// Sec-WebSocket-Version: 13). `subprotocol` is what the answer would choose; it must have been offered.
Status check_websocket(const Head& head, std::string_view subprotocol);

}  // namespace lectern::net
