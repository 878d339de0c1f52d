// What the settings may be, for the host to check and to show.
#pragma once

#include <string_view>

constexpr std::string_view settings_schema =
    R"({"$schema":"http://json-schema.org/draft-04/schema#","title":"Presenter","type":"object",
"properties":{
  "presenter":{"description":"Who presents: a label, device:..., or principal:...","type":"string","minLength":1},
  "audience":{"description":"What the audience may do","enum":["interactor","viewer"],"default":"interactor"}},
"required":["presenter"],
"additionalProperties":false})";
