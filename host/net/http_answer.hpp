// A response as bytes.
#pragma once

#include <string>

#include "api/http.hpp"

namespace lectern::net {

/// [any] Status line and headers up to the blank line. Content-Length is added (not for 1xx, 204, 304), Connection as
/// `keep_alive` says, Date. Headers with control characters are left out: they would split the response.
std::string response_head(const api::Response& response, bool keep_alive);

/// [any] The body to send, from whichever member holds it.
std::string_view response_body(const api::Response& response);

/// [any] "Not Found" of 404.
std::string_view reason_phrase(int status);

}  // namespace lectern::net
