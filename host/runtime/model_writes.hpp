// Writes to models on their way to who has to hear of them: clients' to the kernel and to the other clients, the
// kernel's to all clients. The first one goes at once; what
// follows it closely waits for the rest of a short pause and goes as one write, each key with its last value. So a
// storm of moves neither piles up in front of the kernel nor at the viewers, and a drag at 60 Hz passes as it comes.
// Custom messages are never held, and never overtake an update. Everything [reactor].
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/models.hpp"

namespace lectern::runtime {

class ModelWrites {
 public:
  /// Tells whom it concerns, the kernel before clients; an error says that the kernel was not told.
  using Tell = std::function<Status(ClientWrite write)>;
  /// `loop` outlives it.
  ModelWrites(Loop& loop, Tell tell);

  /// A write that the store has. The error is of telling it now; one that is held is told later, or its error logged.
  Status take(ClientWrite write);
  /// What is held goes now, of one model or of all: what is told next must come after it.
  void flush(std::string_view model_id);
  void flush();
  /// The kernel is gone, and the models with it.
  void forget();

 private:
  void pause_over();
  void tell_held(const std::string& model_id);

  Tell tell_;
  std::map<std::string, std::optional<ClientWrite>, std::less<>> recent_;  // told of in this pause, and what is held
  std::vector<std::string> order_;                                         // of what is held
  Timer pause_;
};

}  // namespace lectern::runtime
