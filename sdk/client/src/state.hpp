// How the host's frames change the notebook. Pure: frames in, notebook changed; what does not fit the protocol is an
// error and leaves a notebook that only a snapshot mends.
#pragma once

#include <cstdint>
#include <string_view>

#include "lectern/client/notebook.hpp"

namespace lectern::client::state {

/// [any] True for the status of a cell whose run is over.
bool ended(std::string_view status);
/// [any] `bad_answer` saying what is wrong where.
Error bad_answer(std::string what);

/// [any] kernel-ready: a snapshot replaces the notebook, a gap goes on from what is here.
Status begin(Notebook& notebook, const Json& ready);
/// [any] One event; ops that are not known here change nothing.
Status apply(Notebook& notebook, std::string_view op, const Json& data);
/// [any] Our own command `model`, which the host answered with this revision: everybody else is told of it. False, and
/// nothing changed, when the model is at a later one, by an event that came first.
Result<bool> wrote(Notebook& notebook, const Json& body, const Json& revision);
/// [any] The changes of one transaction.
Status edit(Notebook& notebook, const Json& changes, std::uint64_t version);

}  // namespace lectern::client::state
