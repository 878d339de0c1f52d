// Taking edits back: each client its own.
#include <utility>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "session/editing.hpp"
#include "session/live_session.hpp"

namespace lectern::session {

void Editing::note_for_undo(const std::string& author, const std::vector<document::EditStep>& steps,
                            Direction direction) {
  for (auto& [client, stack] : undo_) {
    if (client != author) stack.others_did(steps);
  }
  if (author.empty()) return;
  auto& stack = undo_[author];
  switch (direction) {
    case Direction::none:
      return stack.did(steps, clock::now_ms());
    case Direction::undo:
      return stack.undone(steps);
    case Direction::redo:
      return stack.redone(steps);
  }
}

void Editing::take_back(Invocation invocation, Direction direction) {
  if (refusing_) return invocation.error(*refusing_);
  const auto& client = *session_.clients().by_number(invocation.member);
  auto& stack = undo_[client.id];
  auto changes = direction == Direction::undo ? stack.undo(*document_) : stack.redo(*document_);
  if (changes.empty()) return taken_back(std::move(invocation), direction, document::AppliedTransaction{});
  edit(client.host_actor(), std::move(changes), document_->version(),
       [this, direction, invocation = std::move(invocation)](Result<document::AppliedTransaction> applied) mutable {
         taken_back(std::move(invocation), direction, std::move(applied));
       });
}

void Editing::taken_back(Invocation invocation, Direction direction, Result<document::AppliedTransaction> applied) {
  auto& stack = undo_[session_.clients().by_number(invocation.member)->id];
  const auto answer = [this, &stack](std::size_t changes) {
    std::string reply;
    json::Writer(reply)
        .begin_object()
        .member("version", document_->version())
        .member("changes", static_cast<std::uint64_t>(changes))
        .member("undo_left", static_cast<std::uint64_t>(stack.undo_left()))
        .member("redo_left", static_cast<std::uint64_t>(stack.redo_left()))
        .end_object();
    return reply;
  };
  if (!applied || applied->chunks.empty()) {
    // The next one is to reach what lies under it.
    direction == Direction::undo ? stack.undo_failed() : stack.redo_failed();
    return when_durable([invocation = std::move(invocation), reply = answer(0), failed = !applied,
                         error = applied ? Error{} : applied.error()]() mutable {
      failed ? invocation.error(std::move(error)) : invocation.ok(std::move(reply));
    });
  }
  const auto changes = applied->applied.size();
  auto staged = staged_of(invocation.member, std::move(*applied));
  staged.direction = direction;
  staged.author_knows = false;
  staged.id = invocation.id;
  // stage() moves the entry from one stack to the other: only then are there as many left.
  auto reply = std::make_shared<std::string>();
  staged.told = [invocation = std::move(invocation), reply](Status status) mutable {
    status ? invocation.ok(std::move(*reply)) : invocation.error(status.error());
  };
  stage(std::move(staged));
  *reply = answer(changes);
}

}  // namespace lectern::session
