// The contract of a transport (lectern/abi/draft/transport.h): a codec between frames and messages.
#include <algorithm>
#include <array>
#include <set>
#include <thread>

#include "base/json.hpp"
#include "base/text.hpp"
#include "fuzz.hpp"
#include "host_plugin.hpp"
#include "mutate.hpp"
#include "suites.hpp"
#include "transport_bench.hpp"

namespace lectern::validate {

namespace {

using plugin::Carrier;
using plugin::DocumentKind;
using plugin::Outbound;
using plugin::OutboundKind;

constexpr const char* no_throw = "What cannot be read is LECTERN_INVALID with words, or LECTERN_IN_MALFORMED.";

void bindings(const Context& context, Report& report) {
  TransportBench bench(context, report);
  if (bench.transport == nullptr) return;
  const auto& all = bench.transport->bindings();
  std::set<std::pair<std::string, std::string>> seen;
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    const std::string which = "binding " + std::to_string(i + 1) + " (" + all[i].route + ", " + all[i].name + ")";
    if (all[i].route.empty() || all[i].route.find('/') != std::string::npos)
      report.fail(which + " has no usable route", "The last segment of the path: \"connect\", \"events\".");
    if (all[i].name.empty())
      report.fail(which + " has no name", "The WebSocket subprotocol, or the media type of the answer.");
    if (!seen.emplace(all[i].route, all[i].name).second)
      report.fail(which + " is there twice", "Each route and name once: the host could not choose.");
    for (const std::string query : {"{}", R"({"unknown":"x"})", R"({"buffers":""})"}) {
      doing("open a connection on " + which + " with " + query);
      const auto opened = bench.transport->open(100 + i, i, query);
      if (opened) {
        bench.transport->close(100 + i);
      } else if (query == "{}" || opened.error().status >= 500) {
        report.fail(which + " cannot be opened with " + query + ": " + opened.error().message,
                    "Without parameters it must open.");
      }
    }
    for (const std::string query : {"", "{", "[]", "\xff"}) {
      doing("open a connection with a query that is no object");
      const auto opened = bench.transport->open(200 + i, i, query);
      if (opened) bench.transport->close(200 + i);
    }
  }
  doing("close a connection that was never opened");
  bench.transport->close(999);
  if (bench.failures() != 0)
    report.fail("it failed while connections were opened and closed: " + bench.last_failure(), no_throw);
}

void decode(const Context& context, Report& report) {
  TransportBench bench(context, report);
  if (bench.transport == nullptr) return;
  std::size_t understood = 0;
  for (std::uint32_t binding = 0; binding < bench.transport->bindings().size(); ++binding) {
    for (const auto& frame : sample_frames()) {
      const auto first = bench.receive_fresh(binding, {frame}, report);
      const auto second = bench.receive_fresh(binding, {frame}, report);
      if (first != second)
        report.fail("the same frame on two new connections means different things: " + shown(frame),
                    "Keep what a connection knows with the connection (ConnectionMap).");
      if (!first.empty()) ++understood;
      if (report.failed()) return;
    }
    for (const std::string& bytes : {std::string(1u << 20, 'x'), std::string(1u << 20, '['), std::string(300, '\0')}) {
      (void)bench.receive_fresh(binding, {{false, bytes}}, report);
      (void)bench.receive_fresh(binding, {{true, bytes}}, report);
    }
  }
  report.note(std::to_string(understood) + " of the sample frames led to messages or an answer");
}

void split(const Context& context, Report& report) {
  TransportBench bench(context, report);
  if (bench.transport == nullptr) return;
  for (std::uint32_t binding = 0; binding < bench.transport->bindings().size(); ++binding) {
    const bool stream = bench.transport->bindings()[binding].carrier == Carrier::byte_stream;
    for (const auto& frame : sample_frames()) {
      const std::size_t step = std::max<std::size_t>(1, frame.bytes.size() / 64);
      std::string whole;
      if (stream) whole = bench.receive_fresh(binding, {frame}, report);
      for (std::size_t at = 1; at < frame.bytes.size(); at += step) {
        const auto parts = bench.receive_fresh(
            binding, {{frame.binary, frame.bytes.substr(0, at)}, {frame.binary, frame.bytes.substr(at)}}, report);
        // A WebSocket message comes whole, so its halves are only two odd messages; a stream's bytes have no borders.
        if (stream && parts != whole)
          return report.fail("bytes of a stream that come in two parts, cut at " + std::to_string(at) +
                                 ", mean something else: " + shown(frame),
                             "Keep what is incomplete until the rest comes.");
      }
      if (report.failed()) return;
    }
  }
}

std::vector<Outbound> messages() {
  static const std::string big(70'000, 'b');
  static const std::array<std::uint64_t, 2> sizes{3, 4};
  std::vector<Outbound> out;
  const auto add = [&](OutboundKind kind, std::string_view op, std::string_view data, std::string_view payload) {
    Outbound made;
    made.kind = kind;
    made.document =
        kind == OutboundKind::event || kind == OutboundKind::keepalive ? DocumentKind::none : DocumentKind::notebook;
    made.op = op;
    made.data = data;
    made.payload = payload;
    made.stream = "stream-1";
    made.has_seq = true;
    made.seq = out.size() + 1;
    out.push_back(made);
  };
  add(OutboundKind::event, "cell-op", R"({"cell_id":"a","text":"line\u2028\n"})", {});
  add(OutboundKind::event, "cell-op", "{\n  \"spread\": \"over\r\n lines\"\n}", {});
  add(OutboundKind::event, "room-state", "{}", {});
  add(OutboundKind::event, "model-lifecycle", R"({"model":"m"})", "abcdefg");
  out.back().sizes = sizes;
  add(OutboundKind::changes, "", R"({"document":"notebook"})", "abcdefg");
  out.back().sizes = sizes;
  add(OutboundKind::sync, "", "{}", "sync bytes \xff\x00 end");
  add(OutboundKind::document, "", R"({"history":"h"})", big);
  add(OutboundKind::keepalive, "", "", {});
  out.front().has_seq = false;
  return out;
}

void encode(const Context& context, Report& report) {
  TransportBench bench(context, report);
  if (bench.transport == nullptr) return;
  for (std::uint32_t binding = 0; binding < bench.transport->bindings().size(); ++binding) {
    const auto first = bench.transport->open(1, binding, "{}"), second = bench.transport->open(2, binding, "{}");
    if (!first || !second) return report.fail("a connection cannot be opened", "transport.bindings tells more.");
    if (*first != *second)
      report.warn(
          "two connections opened the same way have different encodings: every message is encoded for each of them",
          "Give one number to all that get the same frames.");
    std::vector<std::string> seen;
    for (const Outbound& message : messages()) {
      const std::string name = "a message of kind " + std::to_string(static_cast<int>(message.kind)) + " \"" +
                               std::string(message.op) + "\"";
      doing("encode " + name);
      const auto frames = bench.transport->encode(*first, message);
      const auto again = bench.transport->encode(*first, message);
      if (!frames || !again) {
        report.fail(name + " cannot be encoded: " + (frames ? again : frames).error().message,
                    "Every message has an encoding, or none at all: no frame is no failure.");
        continue;
      }
      std::string bytes;
      for (std::size_t i = 0; i < frames->size(); ++i) {
        const auto& frame = (*frames)[i];
        bytes += frame.bytes;
        if (i >= again->size() || (*again)[i].bytes != frame.bytes || (*again)[i].binary != frame.binary)
          report.fail(name + " is encoded differently the second time",
                      "encode is pure: the host encodes once and shares.");
        if (!frame.binary && !text::valid_utf8(frame.bytes))
          report.fail(name + " becomes a text frame that is not UTF-8", "Send bytes as a binary frame, or as base64.");
      }
      const bool must_differ = !bytes.empty() && message.kind != OutboundKind::keepalive;
      if (must_differ && std::find(seen.begin(), seen.end(), bytes) != seen.end())
        report.fail(name + " becomes the same bytes as another message",
                    "op, data, seq and payload all have to be in the frame.");
      if (must_differ) seen.push_back(bytes);
    }
    bench.transport->close(1);
    bench.transport->close(2);
  }
}

/// What a codec writes as a sync message it should read as one, when it reads anything at all.
void agreement(const Context& context, Report& report) {
  TransportBench bench(context, report);
  if (bench.transport == nullptr) return;
  std::size_t agreed = 0;
  for (std::uint32_t binding = 0; binding < bench.transport->bindings().size(); ++binding) {
    for (const std::string& payload :
         {std::string("x"), std::string(), std::string("\0\xff\n\"\\{}", 7), std::string(70'000, 'p')}) {
      for (const auto document : {DocumentKind::notebook, DocumentKind::models}) {
        Outbound message;
        message.kind = OutboundKind::sync;
        message.document = document;
        message.payload = payload;
        const auto encoding = bench.transport->open(1, binding, "{}");
        if (!encoding) return report.fail("a connection cannot be opened", "transport.bindings tells more.");
        doing("read the sync message that it wrote itself");
        const auto frames = bench.transport->encode(*encoding, message);
        if (!frames) {
          bench.transport->close(1);
          return report.fail("a sync message cannot be encoded: " + frames.error().message, no_throw);
        }
        for (const auto& frame : *frames) {
          (void)bench.transport->receive(1, frame.binary, frame.bytes, [&](const plugin::Inbound& read) {
            if (read.kind != plugin::InboundKind::sync) return Status{};
            if (read.payload != payload || read.document != document)
              report.fail("a sync message of " + std::to_string(payload.size()) + " bytes comes back with " +
                              std::to_string(read.payload.size()) + " bytes, or for another document",
                          "Both directions of a sync message have one form.");
            ++agreed;
            return Status{};
          });
        }
        bench.transport->close(1);
      }
    }
  }
  if (agreed == 0) {
    report.skip("it does not read what it writes: the two directions have different forms");
  } else {
    report.note(std::to_string(agreed) + " sync messages came back as they were written");
  }
}

void damaged(const Context& context, Report& report) {
  TransportBench bench(context, report);
  if (bench.transport == nullptr) return;
  std::mt19937_64 random(context.options.seed);
  const int rounds = context.options.quick ? 2000 : 30'000;
  for (int i = 0; i < rounds && !report.failed(); ++i) bench.damaged_round(random, report);
  report.note(std::to_string(rounds) + " connections with damaged frames, from seed " +
              std::to_string(context.options.seed));
}

void fuzzed(const Context& context, Report& report) {
  TransportBench bench(context, report);
  if (bench.transport == nullptr) return;
  fuzz(context, report, [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    bench.damaged_round(random, report);
  });
}

void reactors(const Context& context, Report& report) {
  TransportBench bench(context, report);
  if (bench.transport == nullptr) return;
  doing("serve four connections on four threads at once");
  std::vector<std::string> got(4);
  const int rounds = context.options.quick ? 50 : 500;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < got.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < rounds; ++i) {
        std::string now;
        if (!bench.transport->open(1000 + t, 0, "{}")) return;
        for (const auto& frame : sample_frames()) {
          (void)bench.transport->receive(1000 + t, frame.binary, frame.bytes, [&](const plugin::Inbound& read) {
            now += std::to_string(static_cast<int>(read.kind)) + std::string(read.id) + std::string(read.body);
            return Status{};
          });
        }
        bench.transport->close(1000 + t);
        if (i == 0) got[t] = now;
        if (now != got[t]) got[t] += " then another";
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& one : got) {
    if (one != got.front())
      return report.fail("four connections on four threads disturb each other",
                         "Calls about different connections come at once: lock what they share (ConnectionMap does).");
  }
}

}  // namespace

std::vector<Test> transport_suite() {
  const auto kind = plugin::Kind::transport;
  return {
      {"transport.bindings", "its bindings make sense and connections open on them", 30, kind, true, &bindings},
      {"transport.decode", "any frame is understood, ignored or refused with words", 60, kind, true, &decode},
      {"transport.split", "frames cut at any byte", 60, kind, true, &split},
      {"transport.encode", "messages are encoded whole, and the same each time", 30, kind, true, &encode},
      {"transport.agreement", "what it writes and reads has one form", 30, kind, true, &agreement},
      {"transport.damaged", "damaged frames, from a seed", 120, kind, true, &damaged},
      {"fuzz.transport", "damaged frames", 0, kind, true, &fuzzed},
      {"transport.reactors", "four connections on four threads", 60, kind, true, &reactors},
  };
}

}  // namespace lectern::validate
