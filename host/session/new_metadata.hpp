// What a new notebook says about its kernel and its environment.
#pragma once

#include <string>

#include "base/result.hpp"
#include "runtime/catalog.hpp"
#include "session/directory.hpp"

namespace lectern::session {

/// [any] The metadata of a notebook made by `request` for `kernel`: `kernelspec`, `language_info` and, when a package
/// manager or dependencies are named or the kernel is Deno's, `runt` as nteract writes and reads it: `schema_version`,
/// a new `env_id` and the manager's section. pip is uv's, mamba is conda's; conda and pixi get the channel conda-forge.
/// 400 `unknown_package_manager` (details: known), 400 `no_dependencies` for Deno, which installs what code imports.
Result<std::string> new_metadata(const runtime::KernelInfo& kernel, const CreateRequest& request);

}  // namespace lectern::session
