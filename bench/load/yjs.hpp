// Yjs' update format, version 1, and the messages of Hocuspocus around it, as far as typing needs them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace load::yjs {

/// What a client of Hocuspocus begins with: who it is, and the question for all there is.
std::string auth();
std::string ask_for_all();

/// One character after the author's last one, or the first one of a text of its own.
std::string typed(std::uint64_t client, std::uint64_t clock);
/// Names that character.
std::string key(std::uint64_t client, std::uint64_t clock);
/// Calls `tell` for each character that a message of the server brings; it may put what several typed into one.
void keys_of(std::string_view message, const std::function<void(std::string_view)>& tell);

}  // namespace load::yjs
