// What the settings may be, for the host to check and to show.
#pragma once

#include <string_view>

#include "../common/asking.hpp"

constexpr std::string_view settings_schema =
    R"({"$schema":"http://json-schema.org/draft-04/schema#","title":"Ask first","type":"object",
"properties":{
  "silence":{"description":"What no answer means","enum":["deny","grant"],"default":"deny"},
  )" ASKING_SETTINGS_SCHEMA R"(},
"additionalProperties":false})";
