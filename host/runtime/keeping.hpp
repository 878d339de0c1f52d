// Of one session: whether its kernel is kept when the host ends, and what is written down of it meanwhile. Everything
// [reactor].
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/executions.hpp"
#include "runtime/kept_kernels.hpp"
#include "runtime/kernel.hpp"
#include "runtime/model_notes.hpp"
#include "runtime/taken_up_models.hpp"

namespace lectern::runtime {

class Keeping {
 public:
  /// All of them outlive it; `models` are those of its widgets, `taken_up` what is known of those of earlier hosts.
  Keeping(KeptKernels& kept, Loop& loop, const ModelStore& models, const TakenUpModels& taken_up);
  /// Whose runs they are; outlives it.
  void follow(const Executions& executions) { executions_ = &executions; }

  /// From now on kernels are started to be kept, if this host keeps any: as those of this session and notebook.
  void under(std::string session_id, std::string path);
  /// The notebook is elsewhere now.
  void moved(std::string path);

  /// A kernel is about to start; puts what the plugin needs into `options`.
  void begin(const KernelInfo& kernel, StartOptions& options);
  /// The same for one that an earlier host kept; its models come into the store after this, in the same turn.
  void take_up(KeptKernel found, StartOptions& options);
  /// The `metadata` of a STATE event.
  void said(std::string_view metadata);
  /// It is up: what was not promised by now is not kept.
  void up();
  /// What runs now; null = nothing.
  void runs(const Execution* execution);
  /// What runs asks somebody; nothing = it does not, or not any more.
  void asks(std::optional<KeptQuestion> question);
  /// A run came into the queue, or, with `newer`, has other code now; it left the queue.
  void waits(const Execution& execution, bool newer = false);
  void waits_no_more(const Execution& execution);
  /// One of its models; the store has it already.
  void model_changed(const ModelEvent& event) { notes_.changed(event); }
  /// One that the store has not got: its values are its kernel's to say.
  void model_unknown(ModelEvent maker) { notes_.values_unknown(std::move(maker)); }
  /// That one is gone.
  void model_gone(const std::string& id) { notes_.forget(id); }
  /// More is known, or written down, of the models: whether that is all of them.
  void models_noted();
  /// It died by itself, and may be restarted.
  void died();
  /// There is none any more.
  void ended();
  /// It goes on, and so does what is written down of it.
  void left();
  /// The same, but what waited is told as cancelled: no later host brings it back.
  void left_without_queue();

  /// The kernel goes on when the host ends.
  [[nodiscard]] bool kept() const { return promised_; }

 private:
  void let_go();
  void write();
  void note_run();
  [[nodiscard]] bool all_models_noted() const { return taken_up_.all_known() && notes_.noted(); }
  bool note_queue();
  void note(const std::string& line);
  void forget_queue();

  KeptKernels& kept_;
  const TakenUpModels& taken_up_;
  const Executions* executions_ = nullptr;
  std::set<std::uint64_t> waiting_;  // those noted as such
  std::size_t noted_bytes_ = 0, notes_from_ = 0;
  bool queue_noted_ = false;          // what is noted is what waits
  std::string session_id_, path_;     // empty: nothing is kept
  std::optional<KeptKernel> record_;  // of the kernel there is
  bool promised_ = false;             // its plugin said that it keeps it
  ModelNotes notes_;
};

}  // namespace lectern::runtime
