// What the settings may be, for the host to check and to show.
#pragma once

#include <string_view>

constexpr std::string_view settings_schema =
    R"({"$schema":"http://json-schema.org/draft-04/schema#","title":"Ask first","type":"object",
"properties":{
  "deadline_s":{"description":"How long the editor has to answer, in seconds","type":"integer","minimum":1,"maximum":600,"default":30},
  "silence":{"description":"What no answer means","enum":["deny","grant"],"default":"deny"},
  "secondary":{"description":"What everybody but the editor may do","enum":["interactor","viewer"],"default":"interactor"}},
"additionalProperties":false})";
