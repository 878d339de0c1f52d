// A policy as a short Lua file, so that an operator needs no compiler (docs/policies/script.md). Every decision runs in
// an interpreter of its own: a script cannot remember anything but the state it returns.
#include <lectern/sdk/plugin.hpp>

#include "script.hpp"

LECTERN_PLUGIN(lectern::sdk::PolicyOf<script::ScriptPolicy>);
