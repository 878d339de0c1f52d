// What the settings may be, for the host to check and to show.
#pragma once

#include <string_view>

constexpr std::string_view settings_schema =
    R"({"$schema":"http://json-schema.org/draft-04/schema#","title":"Roles","type":"object",
"properties":{
  "editors":{"description":"Who edits: labels, device:..., principal:..., or * for everybody","type":"array","items":{"type":"string","minLength":1}},
  "interactors":{"description":"Who interacts","type":"array","items":{"type":"string","minLength":1}},
  "viewers":{"description":"Who only watches","type":"array","items":{"type":"string","minLength":1}},
  "others":{"description":"The role of who is on no list; scope = what their token allows","enum":["scope","editor","interactor","viewer"],"default":"scope"}},
"additionalProperties":false})";
