// The published descriptions, written from the tables: OpenAPI 3.1 from routes.hpp and session/commands.hpp, AsyncAPI
// 3.0 from session/commands.hpp and session/events.hpp.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "session/schema.hpp"

namespace lectern::api {

/// [any] Whole documents as JSON text.
std::string openapi_document();
std::string asyncapi_document();

/// [any] JSON Schema of an object with these fields, in the subset that draft-07 and 2020-12 share.
json::Value object_schema(std::span<const session::Field> fields);
/// [any] The schemas that routes name, as a JSON object by name.
json::Value component_schemas();

}  // namespace lectern::api
