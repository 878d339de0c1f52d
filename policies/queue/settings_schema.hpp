// What the settings may be, for the host to check and to show.
#pragma once

#include <string_view>

constexpr std::string_view settings_schema =
    R"({"$schema":"http://json-schema.org/draft-04/schema#","title":"Queue","type":"object",
"properties":{
  "turn_s":{"description":"Length of a turn while others wait, in seconds; 0 = until the pen is given back","type":"integer","minimum":0,"maximum":86400,"default":300},
  "secondary":{"description":"What everybody but the editor may do","enum":["interactor","viewer"],"default":"interactor"}},
"additionalProperties":false})";
