// Finding what PLUGIN on the command line means.
#pragma once

#include "test.hpp"

namespace lectern::validate {

/// [control] A library with its manifest beside it, a manifest, or a folder of one plugin. 404 when nothing is there. A
/// bad manifest is no error here: the test static.manifest tells.
Result<Subject> find_subject(const std::filesystem::path& plugin);

}  // namespace lectern::validate
