// A response as bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "api/http.hpp"

namespace lectern::net {

/// [any] Status line and headers up to the blank line. Content-Length is added (not for 1xx, 204, 304), Connection as
/// `keep_alive` says, Date. Headers with control characters are left out: they would split the response.
/// `promised`, if not 0, is told as `Keep-Alive: timeout`: how long the client may wait before it sends the next
/// request on this connection. It is less than what we wait, so that a request never meets a connection that is being
/// closed.
std::string response_head(const api::Response& response, bool keep_alive, std::chrono::seconds promised = {});

/// [any] Bytes of the body to send, from whichever member holds it.
std::uint64_t response_size(const api::Response& response);

/// [any] "Not Found" of 404.
std::string_view reason_phrase(int status);

}  // namespace lectern::net
