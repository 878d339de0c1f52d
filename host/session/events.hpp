// THE table of events (protocol 5): op, data, audience, recording and coalescing. Who gets an event is declared here,
// next to its name, and nowhere else.
#pragma once

#include <span>
#include <string_view>

#include "session/schema.hpp"

namespace lectern::session {

enum class Op {
  kernel_ready,
  consumer_capabilities,
  room_state,
  takeover_request,
  takeover_answer,
  document_transaction,
  cell_op,
  kernel_status,
  input_request,
  input_done,
  model_lifecycle,
  focus_cell,
  cursors,
  gather,
  save_state,
  trust_state,
  conflict,
  policy_changed,
  closing,
  notice,
  resync,
  replay_complete,
  reply,
};

enum class Audience {
  one,  // the joiner, the asked one, the asker, the two it concerns: named by the sender of the event
  all,
  may_interact,     // members with the interact capability
  document_events,  // connections with document=events
  model_events,     // connections with models=events but the origin; custom messages also to models=document
  all_but_editor,   // the one the event is about; with several editors the others hear it
};
std::string_view audience_name(Audience audience);

/// `recorded`: has a seq and is replayed. `latest`: not recorded; a joiner gets the last one. `pending`: a joiner gets
/// it until it is answered.
enum class Recording { no, recorded, latest, pending };

struct EventSpec {
  constexpr EventSpec(Op op_, std::string_view name_, Audience audience_, Recording recording_, bool coalesces_,
                      std::span<const Field> data_, std::string_view about_)
      : op(op_),
        name(name_),
        audience(audience_),
        recording(recording_),
        coalesces(coalesces_),
        data(data_),
        about(about_) {}
  Op op;
  std::string_view name;
  Audience audience;
  Recording recording;
  bool coalesces;  // in a consumer's queue a newer one takes the place of an older one that has not left yet
  std::span<const Field> data;
  std::string_view about;
};

/// [any] All events.
std::span<const EventSpec> events();
/// [any]
const EventSpec& event_spec(Op op);

}  // namespace lectern::session
