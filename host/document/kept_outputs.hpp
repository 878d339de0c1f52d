// Outputs of notebooks whose files have no place for them: a script holds sources alone. They lie in the notebook's
// state folder, `outputs.json`, each with the id of its cell and the hash of the source it came from, and go back to
// the cells that still have that source. So a script that comes from a colleague or from Git has no outputs, and one
// that was edited elsewhere keeps those of the cells that stayed.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "document/notebook_file.hpp"

namespace lectern::document {

/// [worker] True when a notebook's outputs come back from a file of this format: tried with a small one, so that no
/// format has to declare it.
bool keeps_outputs(const plugin::Format& format);

/// [worker] Writes the outputs (and attachments) of `notebook` into `state_dir`, which is made when missing, and
/// returns Fingerprint::outputs of that. 507 `disk_full`, 500 `io_error`.
Result<std::string> keep_outputs(const std::string& state_dir, const plugin::WriteNotebook& notebook);

/// [worker] `file` with the outputs that `state_dir` keeps, and with the cells' ids of then where the file has none.
/// Its fingerprint says which outputs these are. The same object when nothing is kept there, or when the format has a
/// place for outputs. What is damaged is nothing.
std::shared_ptr<const LoadedNotebook> with_kept_outputs(std::shared_ptr<const LoadedNotebook> file,
                                                        const std::string& state_dir);

}  // namespace lectern::document
