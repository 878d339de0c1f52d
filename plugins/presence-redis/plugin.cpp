#include "lectern/sdk/plugin.hpp"

#include "redis.hpp"

LECTERN_PLUGIN(lectern::sdk::PresenceOf<presence_redis::Redis>);
