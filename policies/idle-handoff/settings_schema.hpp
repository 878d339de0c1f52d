// What the settings may be, for the host to check and to show.
#pragma once

#include <string_view>

#include "../common/asking.hpp"

constexpr std::string_view settings_schema =
    R"({"$schema":"http://json-schema.org/draft-04/schema#","title":"Idle handoff","type":"object",
"properties":{
  "idle_s":{"description":"After so many seconds without an edit the pen may be taken freely","type":"integer","minimum":1,"maximum":86400,"default":300},
  )" ASKING_SETTINGS_SCHEMA R"(},
"additionalProperties":false})";
