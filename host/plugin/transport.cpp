#include "plugin/transport.hpp"

#include <cstring>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "lectern/abi/draft/transport.h"
#include "plugin/call.hpp"
#include "plugin/checking.hpp"

namespace lectern::plugin {

namespace {

constexpr std::uint64_t max_message = 512ull << 20;
constexpr std::uint32_t max_sizes = 100'000;

struct Receiver {
  const std::function<Status(const Inbound&)>& visitor;
  std::optional<Error> refused;  // the visitor's
  std::string garbage;

  lectern_status garbled(std::string what) {
    garbage = std::move(what);
    return LECTERN_INVALID;
  }

  lectern_status take(const lectern_inbound* raw) {
    if (raw == nullptr) return garbled("handed over no message where one was announced");
    const lectern_inbound message = read_struct(raw);
    if (message.kind < LECTERN_IN_HELLO || message.kind > LECTERN_IN_MALFORMED)
      return garbled("handed over a message of kind " + std::to_string(message.kind));
    if (message.document > LECTERN_DOCUMENT_MODELS)
      return garbled("handed over a message on document " + std::to_string(message.document));
    for (const lectern_str part : {message.id, message.name, message.body, message.payload}) {
      if (!sane(part, max_message)) return garbled("handed over a text of " + std::to_string(part.n) + " bytes");
    }
    if (message.n_sizes > max_sizes || (message.n_sizes != 0 && message.sizes == nullptr))
      return garbled("handed over " + std::to_string(message.n_sizes) + " sizes");
    const std::span<const std::uint64_t> sizes(message.sizes, message.n_sizes);
    if (!sizes.empty() && !adds_up(sizes, message.payload.n))
      return garbled("handed over sizes that do not add up to the payload");
    const Inbound inbound{static_cast<InboundKind>(message.kind),
                          static_cast<DocumentKind>(message.document),
                          (message.flags & LECTERN_IN_FLUSH) != 0,
                          message.has_epoch != 0,
                          message.epoch,
                          view(message.id),
                          view(message.name),
                          view(message.body),
                          view(message.payload),
                          sizes};
    if (auto status = visitor(inbound); !status) {
      refused = std::move(status).error();
      return LECTERN_UNAVAILABLE;
    }
    return LECTERN_OK;
  }

  static bool adds_up(std::span<const std::uint64_t> sizes, std::uint64_t total) {
    for (const auto size : sizes) {
      if (size > total) return false;
      total -= size;
    }
    return total == 0;
  }
};

lectern_status on_message(void* ctx, const lectern_inbound* message) noexcept {
  auto* to = static_cast<Receiver*>(Lent::borrowed(ctx, "lectern_inbound_sink.message"));
  if (to == nullptr) return LECTERN_CONFLICT;
  try {
    return to->take(message);
  } catch (const std::exception& problem) {
    to->refused = Error{500, "internal", problem.what(), {}, {}};
    return LECTERN_INTERNAL;
  } catch (...) {
    return LECTERN_INTERNAL;
  }
}

struct Frames {
  std::vector<EncodedFrame> frames;
  std::string garbage;
};

lectern_status on_frame(void* ctx, std::uint32_t kind, lectern_str bytes) noexcept {
  auto* lent = static_cast<Frames*>(Lent::borrowed(ctx, "lectern_frame_sink.frame"));
  if (lent == nullptr) return LECTERN_CONFLICT;
  auto& to = *lent;
  try {
    if ((kind != LECTERN_FRAME_TEXT && kind != LECTERN_FRAME_BINARY) || !sane(bytes, max_message)) {
      to.garbage = "wrote a frame of kind " + std::to_string(kind) + " and " + std::to_string(bytes.n) + " bytes";
      return LECTERN_INVALID;
    }
    to.frames.push_back({kind == LECTERN_FRAME_BINARY, std::string(view(bytes))});
    return LECTERN_OK;
  } catch (...) {
    return LECTERN_INTERNAL;
  }
}

Error garbage_error(Generation& generation, std::string_view doing, const std::string& garbage) {
  generation.count_failure(std::string(doing) + ": " + garbage);
  return {500,
          "transport_failed",
          generation.id() + " could not " + std::string(doing) + ": it " + garbage,
          "This is a fault of the transport plugin.",
          {}};
}

}  // namespace

struct Transport::Inner {
  GenerationPtr generation;
  lectern_transport abi{};
  void* self = nullptr;
  std::vector<Binding> bindings;
  std::mutex mutex;                                    // of `connections`
  std::map<std::uint64_t, Task> connections;           // that its process has: what to do when it is lost
  std::unique_ptr<isolation::RemoteTransport> remote;  // instead of `self`; ends before what its answers use

  /// What becomes of an answer: with its generation, whatever happens to this.
  [[nodiscard]] isolation::Line::Done answering(Later answer) const {
    return [generation = generation, answer = std::move(answer)](isolation::Line::Reply&& reply) mutable {
      answer(TransportAnswer(std::move(generation), std::move(reply)));
    };
  }
  void lose_all(const std::string& blame) {
    generation->count_failure("keep its connections: " + blame);
    std::map<std::uint64_t, Task> gone;
    {
      const std::scoped_lock lock(mutex);
      gone.swap(connections);
    }
    for (auto& [connection, lost] : gone) lost();
  }
  /// The answer of a call, for those that may wait.
  template <class Call>
  static Result<TransportAnswer> awaited(Call&& call) {
    std::promise<TransportAnswer> promise;
    auto answer = promise.get_future();
    LECTERN_CHECK(call([promise = std::move(promise)](TransportAnswer&& answered) mutable {
      promise.set_value(std::move(answered));
    }));
    return answer.get();
  }
};

namespace {

/// As guarded(), of a call that a process made.
template <class Body>
lectern_status read_answer(Generation& generation, std::string_view doing, std::int64_t us, lectern_error& error,
                           Body&& body) {
  generation.count_call(us);
  const lectern_status status = body();
  check_answer(*generation.checker(), doing, status, error, nullptr);
  const bool known = status >= LECTERN_OK && status <= LECTERN_INTERNAL;
  if (!known || status == LECTERN_INTERNAL) {
    const std::string_view text(error.message, ::strnlen(error.message, sizeof error.message));
    generation.count_failure(std::string(doing) + ": " + std::string(text.empty() ? "failed without a word" : text));
  }
  return known ? status : lectern_status{LECTERN_INTERNAL};
}

/// What a call of receive comes to, wherever it was made.
Status end_of_receive(Generation& generation, Receiver& receiver, lectern_status status, const lectern_error& error) {
  if (receiver.refused) return fail(std::move(*receiver.refused));
  if (!receiver.garbage.empty()) return fail(garbage_error(generation, "read a frame", receiver.garbage));
  if (status != LECTERN_OK) return fail(call_error(generation, "read a frame", status, error, 400, "bad_frame"));
  return {};
}

Result<std::vector<EncodedFrame>> end_of_encode(Generation& generation, Frames& frames, lectern_status status,
                                                const lectern_error& error) {
  if (!frames.garbage.empty()) return fail(garbage_error(generation, "encode a message", frames.garbage));
  if (status != LECTERN_OK)
    return fail(call_error(generation, "encode a message", status, error, 500, "transport_failed"));
  return std::move(frames.frames);
}

lectern_outbound flat(const Outbound& message) {
  lectern_outbound out{};
  out.struct_size = sizeof out;
  out.kind = static_cast<std::uint32_t>(message.kind);
  out.document = static_cast<std::uint32_t>(message.document);
  out.n_sizes = static_cast<std::uint32_t>(message.sizes.size());
  out.has_seq = message.has_seq ? 1 : 0;
  out.seq = message.seq;
  out.op = to_abi(message.op);
  out.data = to_abi(message.data);
  out.payload = to_abi(message.payload);
  out.stream = to_abi(message.stream);
  out.sizes = message.sizes.data();
  return out;
}

}  // namespace

Transport::Transport(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}

Transport::~Transport() {
  if (inner_->generation->remote() != nullptr) return;
  guarded_void(*inner_->generation, "destroy a transport", [&] { may_throw(inner_->abi.destroy)(inner_->self); });
}

Result<std::shared_ptr<Transport>> Transport::create(GenerationPtr generation, std::string_view config_json) {
  auto inner = std::make_unique<Inner>();
  inner->abi = read_struct(static_cast<const lectern_transport*>(generation->interface()));
  inner->generation = std::move(generation);
  const char* at = reinterpret_cast<const char*>(inner->abi.bindings);
  const std::size_t stride = inner->abi.bindings->struct_size;
  for (std::uint32_t i = 0; i < inner->abi.n_bindings; ++i, at += stride) {
    const lectern_binding binding = read_struct(reinterpret_cast<const lectern_binding*>(at));
    if (binding.struct_size != stride || stride < sizeof(lectern_binding) ||
        binding.carrier < LECTERN_CARRIER_WS_MESSAGE || binding.carrier > LECTERN_CARRIER_HTTP_EXCHANGE ||
        !sane(binding.route, 64) || !sane(binding.name, 128)) {
      return fail(422, "bad_entry", inner->generation->id() + ": binding " + std::to_string(i + 1) + " makes no sense",
                  "Compare it with lectern_binding in lectern/abi/draft/transport.h.");
    }
    inner->bindings.push_back(
        {static_cast<Carrier>(binding.carrier), std::string(view(binding.route)), std::string(view(binding.name))});
  }
  LECTERN_CHECK(inner->generation->check_config(config_json));
  const std::scoped_lock lock(control_mutex());
  lectern_error error = empty_error();
  void* self = nullptr;
  const auto status = guarded(*inner->generation, "take these settings", error, [&] {
    auto* const remote = inner->generation->remote();
    if (remote == nullptr) return may_throw(inner->abi.create)(to_abi(config_json), &self, &error);
    lectern_status made = LECTERN_OK;
    inner->remote = remote->transport(
        config_json, [to = inner.get()](const std::string& blame) { to->lose_all(blame); }, made, error);
    return made;
  });
  if (status != LECTERN_OK)
    return fail(call_error(*inner->generation, "take these settings", status, error, 400, "bad_config"));
  inner->self = self;
  inner->generation->activate();
  return std::shared_ptr<Transport>(new Transport(std::move(inner)));
}

void Transport::end() {
  if (inner_->remote) inner_->remote->end();
}

bool Transport::waits() const {
  return inner_->remote != nullptr;
}

Status Transport::open_later(std::uint64_t connection, std::uint32_t binding, std::string_view query_json, Later answer,
                             Task lost) {
  // Only what was opened can be lost, and by the process that opened it.
  return inner_->remote->open(
      connection, binding, query_json,
      [inner = inner_.get(), generation = inner_->generation, connection, answer = std::move(answer),
       lost = std::move(lost)](isolation::Line::Reply&& reply) mutable {
        std::uint64_t encoding = 0;
        lectern_error error = empty_error();
        if (isolation::RemoteTransport::opened(reply, encoding, error) == LECTERN_OK) {
          const std::scoped_lock lock(inner->mutex);
          inner->connections.emplace(connection, std::move(lost));
        }
        answer(TransportAnswer(std::move(generation), std::move(reply)));
      });
}

Status Transport::receive_later(std::uint64_t connection, bool binary, std::string_view bytes, Later answer) {
  return inner_->remote->receive(connection, binary ? LECTERN_FRAME_BINARY : LECTERN_FRAME_TEXT, bytes,
                                 inner_->answering(std::move(answer)));
}

Status Transport::encode_later(std::uint64_t encoding, const Outbound& message, Later answer) {
  return inner_->remote->encode(encoding, flat(message), inner_->answering(std::move(answer)));
}

Result<std::uint64_t> Transport::opened(const TransportAnswer& answer) {
  Generation& generation = *answer.generation_;
  lectern_error error = empty_error();
  std::uint64_t encoding = 0;
  const auto status = read_answer(generation, "open a connection", answer.reply_.us, error,
                                  [&] { return isolation::RemoteTransport::opened(answer.reply_, encoding, error); });
  if (status != LECTERN_OK) return fail(call_error(generation, "open a connection", status, error, 400, "bad_request"));
  return encoding;
}

Status Transport::received(const TransportAnswer& answer, const std::function<Status(const Inbound&)>& visitor) {
  Generation& generation = *answer.generation_;
  lectern_error error = empty_error();
  Receiver receiver{visitor, {}, {}};
  const Loan<lectern_inbound_sink> sink(generation.checker(), &receiver,
                                        {sizeof(lectern_inbound_sink), 0, nullptr, &on_message});
  const auto status = read_answer(generation, "read a frame", answer.reply_.us, error, [&] {
    return isolation::RemoteTransport::received(answer.reply_, *sink.get(), error);
  });
  return end_of_receive(generation, receiver, status, error);
}

Result<std::vector<EncodedFrame>> Transport::encoded(const TransportAnswer& answer) {
  Generation& generation = *answer.generation_;
  lectern_error error = empty_error();
  Frames frames;
  const Loan<lectern_frame_sink> sink(generation.checker(), &frames,
                                      {sizeof(lectern_frame_sink), 0, nullptr, &on_frame});
  const auto status = read_answer(generation, "encode a message", answer.reply_.us, error, [&] {
    return isolation::RemoteTransport::encoded(answer.reply_, *sink.get(), error);
  });
  return end_of_encode(generation, frames, status, error);
}

Result<std::uint64_t> Transport::open(std::uint64_t connection, std::uint32_t binding, std::string_view query_json) {
  if (waits()) {
    LECTERN_TRY(const auto answer, Inner::awaited([&](Later later) {
                  return open_later(connection, binding, query_json, std::move(later), [] {});
                }));
    return opened(answer);
  }
  lectern_error error = empty_error();
  std::uint64_t encoding = 0;
  const auto status = guarded(*inner_->generation, "open a connection", error, [&] {
    return may_throw(inner_->abi.open)(inner_->self, connection, binding, to_abi(query_json), &encoding, &error);
  });
  if (status != LECTERN_OK)
    return fail(call_error(*inner_->generation, "open a connection", status, error, 400, "bad_request"));
  return encoding;
}

Status Transport::receive(std::uint64_t connection, bool binary, std::string_view bytes,
                          const std::function<Status(const Inbound&)>& visitor) {
  if (waits()) {
    LECTERN_TRY(const auto answer, Inner::awaited([&](Later later) {
                  return receive_later(connection, binary, bytes, std::move(later));
                }));
    return received(answer, visitor);
  }
  lectern_error error = empty_error();
  Receiver receiver{visitor, {}, {}};
  const Loan<lectern_inbound_sink> sink(inner_->generation->checker(), &receiver,
                                        {sizeof(lectern_inbound_sink), 0, nullptr, &on_message});
  const auto status = guarded(*inner_->generation, "read a frame", error, [&] {
    return may_throw(inner_->abi.receive)(inner_->self, connection, binary ? LECTERN_FRAME_BINARY : LECTERN_FRAME_TEXT,
                                          to_abi(bytes), sink.get(), &error);
  });
  return end_of_receive(*inner_->generation, receiver, status, error);
}

Result<std::vector<EncodedFrame>> Transport::encode(std::uint64_t encoding, const Outbound& message) {
  if (waits()) {
    LECTERN_TRY(const auto answer,
                Inner::awaited([&](Later later) { return encode_later(encoding, message, std::move(later)); }));
    return encoded(answer);
  }
  const lectern_outbound out = flat(message);
  lectern_error error = empty_error();
  Frames frames;
  const Loan<lectern_frame_sink> sink(inner_->generation->checker(), &frames,
                                      {sizeof(lectern_frame_sink), 0, nullptr, &on_frame});
  const auto status = guarded(*inner_->generation, "encode a message", error,
                              [&] { return may_throw(inner_->abi.encode)(inner_->self, encoding, &out, sink.get()); });
  return end_of_encode(*inner_->generation, frames, status, error);
}

void Transport::close(std::uint64_t connection) {
  if (waits()) {
    {
      const std::scoped_lock lock(inner_->mutex);
      inner_->connections.erase(connection);
    }
    return inner_->remote->close(connection);
  }
  guarded_void(*inner_->generation, "close a connection",
               [&] { may_throw(inner_->abi.close)(inner_->self, connection); });
}

const std::string& Transport::id() const {
  return inner_->generation->id();
}
const std::vector<Binding>& Transport::bindings() const {
  return inner_->bindings;
}
const GenerationPtr& Transport::generation() const {
  return inner_->generation;
}

}  // namespace lectern::plugin
