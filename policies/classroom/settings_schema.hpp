// What the settings may be, for the host to check and to show.
#pragma once

#include <string_view>

constexpr std::string_view settings_schema =
    R"({"$schema":"http://json-schema.org/draft-04/schema#","title":"Classroom","type":"object",
"properties":{
  "teachers":{"description":"Who teaches: labels, device:..., or principal:...","type":"array","items":{"type":"string","minLength":1},"minItems":1},
  "students":{"description":"What students may do without the pen","enum":["interactor","viewer"],"default":"interactor"}},
"required":["teachers"],
"additionalProperties":false})";
