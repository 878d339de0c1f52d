// What attachments answer with.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "api/attached.hpp"
#include "api/http.hpp"
#include "attach/line.hpp"
#include "base/json.hpp"

namespace lectern::attach {

/// [any] What a viewer here gets of what the host there answered: its status, body and the headers that describe it,
/// under the guard of a stranger's bytes. Pure.
api::Response forwarded_response(const std::string& device_name, Result<HttpAnswer> answer);

/// [any] The request as it goes there: with the asker's scope and the name of this device. Pure.
HttpRequest request_to(api::Forwarded request, const std::string& device_name);

/// [any] The JSON of the answer to a creation; else what the host there said, with its status and code, or as
/// forwarded_response() would have it: but such a request has no id to be asked again with. Pure.
Result<json::Value> answered_json(const std::string& device_name, Result<HttpAnswer> answer);

/// [any] The close code and reason that tell a viewer of the refusal of its channel: as a session would have answered
/// its request. Pure.
std::pair<std::uint16_t, std::string> refusal(const Error& error);

}  // namespace lectern::attach
