// Writes to models on their way to who has to hear of them: clients' to the kernel and to the other clients, the
// kernel's to all clients. The first one goes at once; what
// follows it closely waits for the rest of a short pause and goes as one write, each key with its last value. So a
// storm of moves neither piles up in front of the kernel nor at the viewers, and a drag at 60 Hz passes as it comes.
// Custom messages are never held, and never overtake an update. Everything [reactor].
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "runtime/models.hpp"

namespace lectern::runtime {

class ModelWrites {
 public:
  /// Tells whom it concerns, the kernel before clients, and answers the revision; an error says that the kernel was not
  /// told, and nobody else either.
  using Tell = std::function<Result<std::uint64_t>(ClientWrite write)>;
  /// What became of a write: the revision is that of all it was joined with. Dropped uncalled with the object alone.
  using Done = UniqueFunction<void(const Result<std::uint64_t>&)>;
  /// `loop` outlives it.
  ModelWrites(Loop& loop, Tell tell);

  /// A write that the kernel has yet to take, or one of its own. `done` (may be empty) gets what telling it came to:
  /// now, or at the end of the pause for one that is held, together with those it went with.
  void take(ClientWrite write, Done done);
  /// What is held goes now, of one model or of all: what is told next must come after it.
  void flush(std::string_view model_id);
  void flush();
  /// The kernel is gone, and the models with it: what is held fails with `why`.
  void forget(const Error& why);

 private:
  struct Held {
    ClientWrite write;
    std::vector<Done> done;  // of all that it was joined of
  };
  void pause_over();
  void tell(ClientWrite write, std::vector<Done> done);
  void tell_held(const std::string& model_id);

  Tell tell_;
  std::map<std::string, std::optional<Held>, std::less<>> recent_;  // told of in this pause, and what is held
  std::vector<std::string> order_;                                  // of what is held
  Timer pause_;
};

}  // namespace lectern::runtime
