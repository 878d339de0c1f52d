// A format, a transport and a presence backend that work at first sight. KIND_* says which is built.
#include <map>
#include <mutex>
#include <string>

#include "lectern/sdk/format.hpp"
#include "lectern/sdk/presence.hpp"
#include "lectern/sdk/settings.hpp"
#include "lectern/sdk/transport.hpp"

namespace {

using namespace lectern::sdk;

#if defined(KIND_FORMAT)
/// One cell per file: its text. What a file's last line end was is not kept, and any file is surely one of its own.
struct Careless {
  static constexpr std::string_view extensions[] = {".careless"};
  static int probe(std::string_view, std::string_view) { return 100; }
  static void read(std::string_view bytes, const FormatLimits&, const NotebookBuilder& out) {
    Cell cell;
    cell.id = "only";
    cell.cell_type = "code";
    cell.source = bytes.substr(0, bytes.find_last_not_of('\n') + 1);
    cell.original = cell.source;
    out.cell(cell);
    out.notebook({});
  }
  static void write(const Notebook& notebook, const Sink& out) {
    for (const Cell& cell : notebook.cells) {
      out.write(cell.source);
      out.write("\n");
    }
  }
};
using Plugin = FormatOf<Careless>;

#elif defined(KIND_TRANSPORT)
/// Keeps what came before in one place for all connections.
class Careless final : public Transport {
 public:
  static constexpr Binding bindings[] = {{LECTERN_CARRIER_BYTE_STREAM, "connect", "careless.v1"}};
  explicit Careless(std::string_view config) { Settings(config).done(); }
  std::uint64_t open(std::uint64_t, std::uint32_t, std::string_view) override { return 1; }
  void receive(std::uint64_t, std::uint32_t, std::string_view bytes, const InboundSink& out) override {
    const std::scoped_lock lock(mutex_);
    before_.append(bytes.substr(0, 8));
    Inbound message;
    message.kind = LECTERN_IN_MALFORMED;
    message.name = "bad_request";
    const std::string words = "it is message " + std::to_string(before_.size());
    message.body = words;
    out.message(message);
  }
  void encode(std::uint64_t, const Outbound& message, const FrameSink& out) const override {
    out.text(std::to_string(++count_));
    if (!message.payload.empty()) out.text(message.payload);
  }
  void close(std::uint64_t) override {}

 private:
  std::mutex mutex_;
  std::string before_;
  mutable int count_ = 0;
};
using Plugin = TransportOf<Careless>;

#else
/// Forgets that a device may have several instances.
class Careless final : public Presence {
 public:
  static constexpr std::uint64_t lag_ms = 0, min_period_ms = 0;
  explicit Careless(std::string_view config) { Settings(config).done(); }
  void publish(std::string_view device, std::string_view, std::string_view record) override {
    const std::scoped_lock lock(mutex());
    store()[std::string(device)] = record;
  }
  void remove(std::string_view device, std::string_view) override {
    const std::scoped_lock lock(mutex());
    store().erase(std::string(device));
  }
  void snapshot(const PresenceSink& out) override {
    const std::scoped_lock lock(mutex());
    for (const auto& [device, record] : store()) out.record(device, record);
  }

 private:
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  static std::map<std::string, std::string>& store() {
    static std::map<std::string, std::string> all;
    return all;
  }
};
using Plugin = PresenceOf<Careless>;
#endif

}  // namespace

LECTERN_PLUGIN(Plugin);
