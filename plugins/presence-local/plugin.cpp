#include "lectern/sdk/plugin.hpp"

#include "local.hpp"

LECTERN_PLUGIN(lectern::sdk::PresenceOf<presence_local::Local>);
