#include "isolation/live.hpp"

#include <sys/time.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "plugin/call.hpp"

namespace lectern::isolation {

namespace {

using plugin::may_throw;
using plugin::view;

constexpr std::uint32_t most_bindings = 64, most_parts = 200'000;

struct Records {
  Packer& to;
  std::string_view shared;
};

template <class Body>
lectern_status lent(void* ctx, const char* where, Body&& body) noexcept {
  auto* records = static_cast<Records*>(plugin::Lent::borrowed(ctx, where));
  if (records == nullptr) return LECTERN_CONFLICT;
  try {
    if (records->to.size() > most_from_child / 2) return LECTERN_TOO_LARGE;
    body(*records);
    return LECTERN_OK;
  } catch (...) {
    return LECTERN_INTERNAL;
  }
}

lectern_status on_message(void* ctx, const lectern_inbound* raw) noexcept {
  return lent(ctx, "lectern_inbound_sink.message", [&](Records& out) {
    const auto message = plugin::read_struct(raw);
    out.to.number(Record::message);
    out.to.number<std::uint8_t>(raw != nullptr ? 1 : 0);
    for (const std::uint32_t value : {message.kind, message.document, message.flags, message.has_epoch})
      out.to.number(value);
    out.to.number(message.epoch);
    for (const lectern_str text : {message.id, message.name, message.body, message.payload})
      out.to.text(text, out.shared);
    out.to.number(message.n_sizes);
    const bool has_sizes = message.sizes != nullptr && message.n_sizes <= most_parts;
    out.to.number<std::uint8_t>(has_sizes ? 1 : 0);
    for (std::uint32_t i = 0; has_sizes && i < message.n_sizes; ++i) out.to.number(message.sizes[i]);
  });
}

lectern_status on_frame(void* ctx, std::uint32_t kind, lectern_str bytes) noexcept {
  return lent(ctx, "lectern_frame_sink.frame", [&](Records& out) {
    out.to.number(Record::frame);
    out.to.number(kind);
    out.to.text(bytes);
  });
}

lectern_status on_bytes(void* ctx, lectern_str bytes) noexcept {
  return lent(ctx, "lectern_sink.write", [&](Records& out) {
    out.to.number(Record::bytes);
    out.to.text(bytes);
  });
}

template <class Body>
lectern_status contained(lectern_error& error, Body&& body) {
  std::string what;
  try {
    return body();
  } catch (const std::exception& problem) {
    what = std::string("threw an exception across the plugin line: ") + problem.what();
  } catch (...) {
    what = "threw something that is no std::exception across the plugin line";
  }
  what.copy(error.message, sizeof error.message - 1);
  error.message[std::min(what.size(), sizeof error.message - 1)] = '\0';
  return LECTERN_INTERNAL;
}

}  // namespace

/// The thread of calls that may wait.
class Live::Slow {
 public:
  explicit Slow(Live& of) : of_(of), thread_([this] { run(); }) {}
  ~Slow() {
    {
      const std::scoped_lock lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }
  Slow(const Slow&) = delete;
  Slow& operator=(const Slow&) = delete;
  void add(std::string payload) {
    {
      const std::scoped_lock lock(mutex_);
      calls_.push_back(std::move(payload));
    }
    wake_.notify_all();
  }

 private:
  void run() {
    for (;;) {
      std::string payload;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stop_ || !calls_.empty(); });
        if (stop_) return;
        payload = std::move(calls_.front());
        calls_.pop_front();
      }
      of_.make(payload, true);
    }
  }
  Live& of_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::string> calls_;
  bool stop_ = false;
  std::thread thread_;
};

Live::Live(const Socket& socket, plugin::Generation& generation, std::function<std::string()> news)
    : socket_(socket), generation_(generation), news_(std::move(news)) {
  if (generation.kind() == plugin::Kind::transport) {
    transport_ = plugin::read_struct(static_cast<const lectern_transport*>(generation.interface()));
  } else {
    runtime_ = plugin::read_struct(static_cast<const lectern_runtime*>(generation.interface()));
    if (const auto* cells = generation.extension(LECTERN_EXT_CELLS))
      cells_ = plugin::read_struct(static_cast<const lectern_cells*>(cells));
  }
}

Live::~Live() = default;

void Live::announce(Packer& to) {
  if (generation_.kind() != plugin::Kind::transport) {
    to.number<std::int32_t>(::getpid());
    return;
  }
  const auto n = std::min(transport_.n_bindings, most_bindings);
  to.number(n);
  const char* at = reinterpret_cast<const char*>(transport_.bindings);
  const std::size_t stride = transport_.bindings->struct_size;
  for (std::uint32_t i = 0; i < n; ++i) {
    // What makes no sense crosses as a carrier that is none: the adapter says which one it is.
    const bool whole = stride >= sizeof(lectern_binding);
    const auto binding =
        whole ? plugin::read_struct(reinterpret_cast<const lectern_binding*>(at + i * stride)) : lectern_binding{};
    const bool sane =
        binding.struct_size == stride && plugin::sane(binding.route, 64) && plugin::sane(binding.name, 128);
    to.number<std::uint32_t>(sane ? binding.carrier : 0);
    to.text(sane ? view(binding.route) : std::string_view());
    to.text(sane ? view(binding.name) : std::string_view());
  }
}

void Live::call(std::string payload) {
  if (payload.size() > sizeof(Op) && static_cast<Lane>(payload[sizeof(Op)]) == Lane::slow) {
    if (slow_ == nullptr) slow_ = std::make_unique<Slow>(*this);
    return slow_->add(std::move(payload));
  }
  // When the host dies during a call that does not end, nobody else would end us. A runtime has its keeper.
  const itimerval watch{{0, 0}, {300, 0}}, none{};
  const bool alarmed = generation_.kind() == plugin::Kind::transport;
  if (alarmed) ::setitimer(ITIMER_REAL, &watch, nullptr);
  make(payload, false);
  if (alarmed) ::setitimer(ITIMER_REAL, &none, nullptr);
}

void Live::make(std::string_view payload, bool slow) {
  Unpacker from(payload);
  const auto op = from.number<Op>();
  (void)from.number<Lane>();
  Answer answer{plugin::empty_error(), {}};
  const auto status = contained(answer.error, [&]() -> lectern_status {
    if (op == Op::health) {
      const auto said = generation_.health();
      answer.records.number(static_cast<std::int32_t>(said ? said->state : plugin::HealthState::ok));
      answer.records.text(std::string_view(said ? said->summary : ""));
      answer.records.text(std::string_view(said ? said->details_json : ""));
      return LECTERN_OK;
    }
    return generation_.kind() == plugin::Kind::transport ? transport(op, from, answer) : runtime(op, from, answer);
  });
  if (!from.ok()) leave();
  Packer to;
  to.text(std::string_view(slow ? std::string() : news_()));
  pack_end(to, status, answer.error);
  to.bytes().append(answer.records.bytes());
  socket_.send(slow ? FrameType::done_slow : FrameType::done, to.bytes());
}

lectern_status Live::transport(Op op, Unpacker& from, Answer& to) {
  switch (op) {
    case Op::transport_create: {
      const auto config = from.abi_view();
      return may_throw(transport_.create)(config, &self_, &to.error);
    }
    case Op::transport_destroy:
      may_throw(transport_.destroy)(std::exchange(self_, nullptr));
      return LECTERN_OK;
    case Op::transport_open:
      return open(from, to);
    case Op::transport_receive:
      return receive(from, to);
    case Op::transport_encode:
      return encode(from, to);
    case Op::transport_close:
      if (const auto connection = from.number<std::uint64_t>(); connections_.erase(connection) != 0)
        may_throw(transport_.close)(self_, connection);
      return LECTERN_OK;
    default:
      leave();
  }
}

lectern_status Live::open(Unpacker& from, Answer& to) {
  const auto connection = from.number<std::uint64_t>();
  const auto binding = from.number<std::uint32_t>();
  const auto query = from.abi_view();
  if (!from.ok()) leave();
  std::uint64_t encoding = 0;
  const auto status = may_throw(transport_.open)(self_, connection, binding, query, &encoding, &to.error);
  if (status == LECTERN_OK) {
    connections_.insert(connection);
    encodings_.insert(encoding);
  }
  to.records.number(encoding);
  return status;
}

// A connection of a process that died is nobody the plugin in this one knows of.
lectern_status Live::receive(Unpacker& from, Answer& to) {
  const auto connection = from.number<std::uint64_t>();
  const auto kind = from.number<std::uint32_t>();
  const auto bytes = from.rest();
  if (!from.ok()) leave();
  if (!connections_.contains(connection)) return LECTERN_CONFLICT;
  Records records{to.records, bytes};
  const plugin::Loan<lectern_inbound_sink> sink(generation_.checker(), &records,
                                                {sizeof(lectern_inbound_sink), 0, nullptr, &on_message});
  return may_throw(transport_.receive)(self_, connection, kind, {bytes.data(), bytes.size()}, sink.get(), &to.error);
}

lectern_status Live::encode(Unpacker& from, Answer& to) {
  const auto encoding = from.number<std::uint64_t>();
  lectern_outbound message{};
  message.struct_size = sizeof message;
  message.kind = from.number<std::uint32_t>();
  message.document = from.number<std::uint32_t>();
  message.has_seq = from.number<std::uint32_t>();
  message.seq = from.number<std::uint64_t>();
  for (lectern_str* text : {&message.op, &message.data, &message.payload, &message.stream}) *text = from.abi_text();
  message.n_sizes = from.number<std::uint32_t>();
  if (!from.ok() || message.n_sizes > from.rest().size() / sizeof(std::uint64_t)) leave();
  std::vector<std::uint64_t> sizes(message.n_sizes);
  from.bytes(sizes.data(), sizes.size() * sizeof(std::uint64_t));
  message.sizes = sizes.data();
  if (!from.ok()) leave();
  if (!encodings_.contains(encoding)) return LECTERN_CONFLICT;
  Records records{to.records, {}};
  const plugin::Loan<lectern_frame_sink> sink(generation_.checker(), &records,
                                              {sizeof(lectern_frame_sink), 0, nullptr, &on_frame});
  return may_throw(transport_.encode)(self_, encoding, &message, sink.get());
}

lectern_status Live::create_runtime(Unpacker& from, Answer& to) {
  const auto config = from.abi_view();
  if (!from.ok()) leave();
  out_ = std::make_unique<plugin::Loan<lectern_runtime_out>>(
      generation_.checker(), this, lectern_runtime_out{sizeof(lectern_runtime_out), 0, nullptr, &on_event});
  return may_throw(runtime_.create)(config, out_->get(), &self_, &to.error);
}

lectern_status Live::runtime(Op op, Unpacker& from, Answer& to) {
  if (op == Op::runtime_create) return create_runtime(from, to);
  if (op == Op::runtime_destroy) {
    slow_.reset();
    may_throw(runtime_.destroy)(std::exchange(self_, nullptr));
    out_.reset();
    return LECTERN_OK;
  }
  if (op == Op::runtime_kernels) {
    Records records{to.records, {}};
    const plugin::Loan<lectern_sink> sink(generation_.checker(), &records,
                                          {sizeof(lectern_sink), 0, nullptr, &on_bytes});
    return may_throw(runtime_.kernels)(self_, sink.get(), &to.error);
  }
  const auto kernel = from.number<std::uint64_t>();
  switch (op) {
    case Op::runtime_start: {
      const auto name = from.abi_view(), options = from.abi_view();
      started_ = true;
      return may_throw(runtime_.start)(self_, kernel, name, options, &to.error);
    }
    case Op::runtime_execute: {
      const auto execution = from.number<std::uint64_t>();
      const auto flags = from.number<std::uint32_t>();
      const auto cell = from.abi_view(), code = from.abi_view();
      if (cells_.execute != nullptr && cell.n != 0)
        return may_throw(cells_.execute)(self_, kernel, execution, cell, code, flags);
      return may_throw(runtime_.execute)(self_, kernel, execution, code, flags);
    }
    case Op::runtime_forget_cell:
      if (cells_.forget == nullptr) return LECTERN_OK;
      return may_throw(cells_.forget)(self_, kernel, from.abi_view());
    case Op::runtime_interrupt:
      return may_throw(runtime_.interrupt)(self_, kernel);
    case Op::runtime_restart:
      return may_throw(runtime_.restart)(self_, kernel);
    case Op::runtime_shutdown:
      return may_throw(runtime_.shutdown)(self_, kernel);
    case Op::runtime_input:
      return may_throw(runtime_.input)(self_, kernel, from.abi_view());
    case Op::runtime_request: {
      const auto request = from.number<std::uint64_t>();
      const auto kind = from.abi_view(), content = from.abi_view();
      return may_throw(runtime_.request)(self_, kernel, request, kind, content);
    }
    case Op::runtime_comm: {
      lectern_comm message{};
      message.struct_size = sizeof message;
      for (lectern_str* text : {&message.kind, &message.comm_id, &message.target, &message.data, &message.metadata})
        *text = from.abi_text();
      message.n_buffers = from.number<std::uint32_t>();
      std::vector<lectern_str> buffers;
      for (std::uint32_t i = 0; i < message.n_buffers && from.ok(); ++i) buffers.push_back(from.abi_text());
      message.buffers = buffers.data();
      if (!from.ok()) leave();
      return may_throw(runtime_.comm)(self_, kernel, &message);
    }
    default:
      leave();
  }
}

void Live::on_event(void* ctx, std::uint64_t kernel, const lectern_runtime_event* event) noexcept {
  plugin::Lent::shared(ctx, "lectern_runtime_out.event", [&](void* target) {
    auto* live = static_cast<Live*>(target);
    try {
      live->tell(kernel, event);
    } catch (...) {  // out of memory: the event is lost, and the plugin's thread must not be
    }
  });
}

void Live::tell(std::uint64_t kernel, const lectern_runtime_event* raw) {
  if (!started_ || raw == nullptr) return;
  const auto event = plugin::read_struct(raw);
  const auto dropped = [&](const std::string& why) { generation_.count_failure("tell what happens: " + why); };
  if (event.n_buffers > most_parts || (event.n_buffers != 0 && event.buffers == nullptr))
    return dropped("sent " + std::to_string(event.n_buffers) + " buffers");
  std::uint64_t bytes = 0;
  const auto add = [&](lectern_str text) { bytes += std::min<std::uint64_t>(text.n, most_event) + 16; };
  for (const lectern_str text : {event.name, event.text, event.json, event.metadata}) add(text);
  for (std::uint32_t i = 0; i < event.n_buffers; ++i) add(event.buffers[i]);
  if (bytes > most_event) return dropped("sent an event of " + std::to_string(bytes) + " bytes");
  Packer to;
  to.number(kernel);
  to.number(event.kind);
  to.number(event.value);
  to.number(event.execution);
  to.number(event.request);
  for (const lectern_str text : {event.name, event.text, event.json, event.metadata}) to.text(text);
  to.number(event.n_buffers);
  for (std::uint32_t i = 0; i < event.n_buffers; ++i) to.text(event.buffers[i]);
  socket_.send(FrameType::event, to.bytes());
}

}  // namespace lectern::isolation
