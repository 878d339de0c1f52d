#include "transport_bench.hpp"

#include "base/text.hpp"
#include "mutate.hpp"

namespace lectern::validate {

namespace {

/// A binary frame of lectern.v1: kind, length of the header (LE), header, payload.
Frame binary(char kind, std::string_view header, std::string_view payload) {
  Frame frame{true, std::string(1, kind)};
  for (unsigned i = 0; i < 4; ++i) frame.bytes += static_cast<char>(header.size() >> (8 * i));
  frame.bytes.append(header).append(payload);
  return frame;
}

std::string in_words(const plugin::Inbound& message) {
  std::string out = std::to_string(static_cast<int>(message.kind)) + "," +
                    std::to_string(static_cast<int>(message.document)) + "," +
                    (message.has_epoch ? std::to_string(message.epoch) : "-") + (message.flush ? "f," : ",");
  out.append(message.id).append(",").append(message.name).append(",").append(message.body).append(",");
  out.append(message.payload);
  for (const auto size : message.sizes) out += "," + std::to_string(size);
  return out + ";";
}

/// A breach in a message, in words; empty = fine. The host lets no text frame pass that is not UTF-8.
std::string breach(const plugin::Inbound& message, const Frame& frame) {
  using plugin::InboundKind;
  if (message.kind == InboundKind::command) {
    if (message.name.empty()) return "a command without a name";
    // Whether it is JSON all through is the host's question; that it is an object is what the codec promises.
    if (!message.body.empty() && (message.body.front() != '{' || message.body.back() != '}'))
      return "a command whose body is no JSON object";
  }
  if (message.kind == InboundKind::malformed && (message.name.empty() || message.body.empty()))
    return "a malformed message without code or words";
  if (message.kind == InboundKind::hello && message.body.empty()) return "a hello without a client key";
  const bool may_be_odd = !frame.binary && !text::valid_utf8(frame.bytes);
  for (const auto part : {message.id, message.name, message.body}) {
    if (!may_be_odd && !text::valid_utf8(part)) return "a text that is not UTF-8";
  }
  return {};
}

}  // namespace

const std::vector<Frame>& sample_frames() {
  static const std::vector<Frame> all{
      {false, R"({"client":"c1.secret-_x"})"},
      {false, R"({"id":"1","command":"execute","epoch":3,"body":{"cell_ids":["a","b"]}})"},
      {false,
       R"({"id":"x","command":"transaction","epoch":18446744073709551615,"body":{"changes":[{"type":"splice_source","cell_id":"c","index":0,"delete":1,"insert":"\ud83d\ude00\n"}]}})"},
      {false, R"({"id":"1","command":"save"})"},
      {false, R"({"id":"1","command":"a","id":"2"})"},
      {false, R"({"id":1,"command":true,"epoch":-1,"body":[]})"},
      {false, R"( { "op" : "unknown" , "data" : [ true , null , -0.5e+10 , "" ] } )"},
      {false, R"({"\u0069d":"1","command":"mod\u0065l","body":{},"sizes":[3,4]})"},
      {false, "{"},
      {false, ""},
      {false, "\xff\xfe"},
      {false, "<message to='somebody'/>"},
      binary(1, "{}", "sync bytes"),
      binary(3, R"({"id":"9","epoch":3,"sizes":[4,3]})", "changes"),
      binary(3, R"({"id":"9","epoch":3,"flush":true,"sizes":[7]})", "changes"),
      binary(5, R"({"sizes":[3,4]})", "abcdefg"),
      binary(99, "{}", ""),
      {true, std::string("\x01\xff\xff\xff\xff{}", 7)},
      {true, std::string("\x83\xa2id\x01", 5)},
      {true, ""},
  };
  return all;
}

std::string shown(const Frame& frame) {
  return (frame.binary ? "binary \"" : "\"") + text::label(frame.bytes.substr(0, 120), 160) + "\"";
}

TransportBench::TransportBench(const Context& context, Report& report) : plugin(context, report) {
  if (plugin.generation == nullptr) return;
  doing("take its settings");
  auto made = plugin::Transport::create(plugin.generation, context.config());
  if (!made) {
    report.fail(made.error().message, "Name settings that it takes with --config.");
    return;
  }
  transport = *made;
}

std::string TransportBench::receive_fresh(std::uint32_t binding, const std::vector<Frame>& frames, Report& report) {
  constexpr std::uint64_t connection = 5;
  const auto before = failures();
  if (const auto opened = transport->open(connection, binding, "{}"); !opened) {
    report.fail("a connection cannot be opened: " + opened.error().message, "transport.bindings tells more.");
    return {};
  }
  std::string out;
  for (const Frame& frame : frames) {
    doing("read the frame " + shown(frame));
    const auto status = transport->receive(connection, frame.binary, frame.bytes, [&](const plugin::Inbound& message) {
      if (const auto wrong = breach(message, frame); !wrong.empty())
        report.fail("the frame " + shown(frame) + " becomes " + wrong,
                    "Check the frame before handing a message over; LECTERN_IN_MALFORMED answers it.");
      out += in_words(message);
      return Status{};
    });
    if (!status) {
      out += "refused " + std::to_string(status.error().status) + ";";
      if (status.error().status >= 500)
        report.fail("the frame " + shown(frame) + " is a failure of the transport: " + status.error().message,
                    "What cannot be read is LECTERN_INVALID with words, or LECTERN_IN_MALFORMED.");
      break;  // the host closes the connection
    }
  }
  transport->close(connection);
  if (failures() != before && !report.failed()) report.fail("it failed: " + last_failure(), "See the frame above.");
  return out;
}

void TransportBench::damaged_round(std::mt19937_64& random, Report& report) {
  const auto& samples = sample_frames();
  std::vector<Frame> frames;
  const auto count = 1 + random() % 3;
  for (std::uint64_t i = 0; i < count; ++i) {
    Frame frame = samples[random() % samples.size()];
    if (random() % 4 != 0) frame.bytes = mutated(std::move(frame.bytes), random);
    if (random() % 16 == 0) frame.binary = !frame.binary;
    frames.push_back(std::move(frame));
  }
  (void)receive_fresh(static_cast<std::uint32_t>(random() % transport->bindings().size()), frames, report);
}

}  // namespace lectern::validate
