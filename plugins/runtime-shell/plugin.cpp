#include "lectern/sdk/plugin.hpp"

#include "runtime.hpp"

LECTERN_PLUGIN(lectern::sdk::RuntimeOf<shell::ShellRuntime>);
