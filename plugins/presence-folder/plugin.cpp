#include "lectern/sdk/plugin.hpp"

#include "folder.hpp"

LECTERN_PLUGIN(lectern::sdk::PresenceOf<presence_folder::Folder>);
