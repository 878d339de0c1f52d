// The contract of a presence backend (lectern/abi/draft/presence.h): a dumb store that never loses, mixes or invents.
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "base/text.hpp"
#include "fuzz.hpp"
#include "host_plugin.hpp"
#include "plugin/presence.hpp"
#include "suites.hpp"

namespace lectern::validate {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Backend = std::shared_ptr<plugin::PresenceBackend>;

std::string record(const std::string& device, const std::string& instance, int seq, std::size_t padding = 0) {
  return R"({"schema":1,"device_id":")" + device + R"(","instance_id":")" + instance + R"(","seq":)" +
         std::to_string(seq) + (padding == 0 ? std::string() : R"(,"padding":")" + std::string(padding, 'p') + "\"") +
         "}";
}

struct Bench {
  const Context& context;
  Report& report;
  HostPlugin plugin;
  bool ready = false;

  Bench(const Context& context_, Report& report_) : context(context_), report(report_), plugin(context_, report_) {
    ready = plugin.generation != nullptr;
  }
  Backend open(std::string_view folder = "data") {
    doing("open");
    auto made = plugin::PresenceBackend::open(plugin.generation, context.config(folder));
    if (made) return *made;
    if (context.options.proxy && made.error().message.find("it has no Landlock") != std::string::npos) {
      report.skip("this kernel has no Landlock: a presence backend cannot be isolated here");
      return nullptr;
    }
    report.fail(made.error().message,
                "Name settings that it takes with --config; {work} in it stands for a fresh folder.");
    return nullptr;
  }
  bool publish(const Backend& backend, const std::string& device, const std::string& instance,
               const std::string& text) {
    doing("publish for " + device + " " + instance);
    const auto status = backend->publish(device, instance, text);
    if (!status) report.fail("a record cannot be published: " + status.error().message, status.error().hint);
    return status.has_value();
  }
  std::multiset<std::string> list(const Backend& backend) {
    doing("list its records");
    const auto found = backend->snapshot();
    std::multiset<std::string> out;
    if (!found) {
      report.fail("its records cannot be listed: " + found.error().message,
                  "One bad record is rejected, the others are still given.");
      return out;
    }
    for (const auto& one : found->records) out.insert(one.record);
    return out;
  }
  /// Lists until that is what there is, as long as the backend says that records take.
  std::multiset<std::string> list_until(const Backend& backend, const std::multiset<std::string>& expected) {
    const auto until =
        Clock::now() + std::chrono::milliseconds(2000 + 2 * std::min<std::uint64_t>(backend->lag_ms(), 30'000));
    auto got = list(backend);
    while (got != expected && Clock::now() < until && !report.failed()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      got = list(backend);
    }
    return got;
  }
  void expect(const Backend& backend, const std::multiset<std::string>& expected, const std::string& after,
              const std::string& fix) {
    if (report.failed()) return;
    const auto got = list_until(backend, expected);
    if (report.failed() || got == expected) return;
    std::string listed;
    for (const auto& one : got) listed += "\n  " + text::label(one, 160);
    report.fail("after " + after + " there are " + std::to_string(got.size()) + " records instead of " +
                    std::to_string(expected.size()) + ":" + listed,
                fix);
  }
  [[nodiscard]] bool in_a_folder() const { return context.options.config.find("{work}") != std::string::npos; }
};

void records(const Context& context, Report& report) {
  Bench bench(context, report);
  const Backend ours = bench.ready ? bench.open() : nullptr, theirs = ours ? bench.open() : nullptr;
  if (theirs == nullptr) return;
  bench.expect(ours, {}, "opening an empty store", "Start with nothing.");
  const auto a1 = record("device-a", "one", 1), a2 = record("device-a", "one", 2), other = record("device-a", "two", 1);
  const auto b1 = record("device-b", "one", 1);
  if (!bench.publish(ours, "device-a", "one", a1)) return;
  bench.expect(ours, {a1}, "publishing one", "A host sees its own record too.");
  bench.expect(theirs, {a1}, "publishing one, seen from another device", "lag_ms says how long that may take.");
  if (!bench.publish(ours, "device-a", "one", a2)) return;
  bench.expect(ours, {a2}, "publishing again", "A record replaces the one of the same device and instance.");
  if (!bench.publish(ours, "device-a", "two", other) || !bench.publish(theirs, "device-b", "one", b1)) return;
  bench.expect(ours, {a2, other, b1}, "three instances of two devices published",
               "Each device and instance has a record of its own.");
  bench.expect(theirs, {a2, other, b1}, "three instances of two devices published, seen from the other",
               "Each device and instance has a record of its own.");
  doing("remove a record");
  if (const auto status = ours->remove("device-a", "two"); !status)
    report.fail("a record cannot be removed: " + status.error().message, status.error().hint);
  bench.expect(theirs, {a2, b1}, "removing one", "remove takes that one record and nothing else.");
  doing("remove a record that is not there");
  if (const auto status = ours->remove("device-a", "two"); !status && status.error().status >= 500)
    report.fail("removing what is gone is a failure: " + status.error().message, "It is done already: LECTERN_OK.");
  if (!bench.publish(ours, "device-a", "two", other)) return;
  bench.expect(theirs, {a2, other, b1}, "publishing a removed one again", "A removed record may come back.");
}

void whole(const Context& context, Report& report) {
  Bench bench(context, report);
  const Backend writer = bench.ready ? bench.open() : nullptr, reader = writer ? bench.open() : nullptr;
  if (reader == nullptr) return;
  const auto small = record("device-a", "one", 1), large = record("device-a", "one", 2, 50'000);
  if (!bench.publish(writer, "device-a", "one", small)) return;
  bench.expect(reader, {small}, "publishing one", "lag_ms says how long that may take.");
  if (report.failed()) return;
  const auto until = Clock::now() + std::chrono::milliseconds(context.options.quick ? 300 : 1500);
  std::atomic<long> written{0};
  std::string trouble;
  std::thread other([&] {
    while (Clock::now() < until && trouble.empty()) {
      const auto status = writer->publish("device-a", "one", written % 2 == 0 ? large : small);
      if (!status) trouble = status.error().message;
      ++written;
    }
  });
  long read = 0;
  doing("publish and list at once");
  while (Clock::now() < until && !report.failed()) {
    const auto found = reader->snapshot();
    ++read;
    if (!found) {
      report.fail("while a record is replaced it cannot be listed: " + found.error().message,
                  "Put the new one in place at once (write aside, then rename).");
      break;
    }
    for (const auto& one : found->records) {
      if (one.record != small && one.record != large)
        report.fail("a reader saw a mixture of " + std::to_string(one.record.size()) + " bytes",
                    "Readers see the old or the new: write aside, then rename.");
    }
    if (found->records.empty())
      report.fail("while a record is replaced there is a moment without it",
                  "Readers see the old or the new: write aside, then rename.");
  }
  other.join();
  if (!trouble.empty())
    report.fail("a record cannot be replaced while it is read: " + trouble, "Both may happen at once.");
  report.note(std::to_string(written.load()) + " records published while they were listed " + std::to_string(read) +
              " times");
}

void odd_ids(const Context& context, Report& report) {
  Bench bench(context, report);
  const Backend backend = bench.ready ? bench.open() : nullptr;
  if (backend == nullptr) return;
  const auto good = record("device-a", "one", 1);
  if (!bench.publish(backend, "device-a", "one", good)) return;
  const auto around = [&] {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(context.work)) names.insert(entry.path().filename());
    return names;
  };
  const auto before = around();
  const std::vector<std::string> odd{"",
                                     ".",
                                     "..",
                                     "../../outside",
                                     "/absolute",
                                     "a/b",
                                     std::string(300, 'x'),
                                     "new\nline",
                                     std::string("zero\0byte", 9),
                                     "\xff\xfe",
                                     "-rf",
                                     "a\\b",
                                     "name with spaces",
                                     "*"};
  for (const auto& id : odd) {
    doing("publish under the id \"" + text::label(id, 60) + "\"");
    for (const auto& [device, instance] : {std::pair<std::string, std::string>{id, "one"}, {"device-a", id}}) {
      const auto published = backend->publish(device, instance, record("x", "y", 1));
      if (!published && published.error().status >= 500)
        report.fail("the id \"" + text::label(id, 60) + "\" is a failure: " + published.error().message,
                    "Refuse ids you cannot store with LECTERN_INVALID.");
      const auto removed = backend->remove(device, instance);
      if (!removed && removed.error().status >= 500)
        report.fail("removing the id \"" + text::label(id, 60) + "\" is a failure: " + removed.error().message,
                    "Refuse ids you cannot store with LECTERN_INVALID.");
    }
  }
  if (around() != before)
    report.fail("an id led out of its folder: something new lies beside it",
                "Ids are from others: never use them as paths unchecked.");
  const auto left = bench.list(backend);
  if (left.count(good) != 1) report.fail("odd ids cost a good record", "One bad id must not touch the others.");
}

/// The file that holds a record; empty when there is none.
fs::path file_of(const fs::path& folder, const std::string& text) {
  std::error_code none;  // a backend may keep its records elsewhere
  for (const auto& entry : fs::recursive_directory_iterator(folder, none)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    if (std::string(std::istreambuf_iterator<char>(file), {}).find(text) != std::string::npos) return entry.path();
  }
  return {};
}

void junk(const Context& context, Report& report) {
  Bench bench(context, report);
  if (!bench.ready) return;
  if (!bench.in_a_folder()) return report.skip("its settings name no {work}: there is no folder to put junk into");
  const Backend backend = bench.open();
  if (backend == nullptr) return;
  const auto good = record("device-a", "one", 1);
  if (!bench.publish(backend, "device-a", "one", good)) return;
  const fs::path file = file_of(context.work / "data", good);
  if (file.empty()) return report.skip("its records are not readable files in that folder");
  const std::string suffix = file.extension();
  const auto put = [&](const std::string& name, const std::string& bytes) {
    std::ofstream(file.parent_path() / name, std::ios::binary) << bytes;
  };
  put("truncated" + suffix, good.substr(0, good.size() / 2));
  put("empty" + suffix, "");
  put("latin" + suffix, "{\"device_id\":\"caf\xe9\"}");
  put("deep" + suffix, std::string(200'000, '['));
  put("numbers" + suffix, R"({"seq":1e999,"schema":99,"device_id":-1})");
  put("large" + suffix, std::string(3u << 20, 'x'));
  put("forged" + suffix, record("device-b", "forged", 9));
  put(file.stem().string() + ".sync-conflict-20260101-120000-ABCDEFG" + suffix, record("device-a", "one", 7));
  put(file.stem().string() + " (conflicted copy)" + suffix, record("device-a", "one", 8));
  put("." + file.filename().string() + ".tmp", "half");
  const std::string secret = "the secret of somebody else";
  std::ofstream(context.work / "secret") << secret;
  std::error_code ignored;
  fs::create_symlink(context.work / "secret", file.parent_path() / ("link" + suffix), ignored);
  fs::create_directory(file.parent_path() / ("folder" + suffix), ignored);
  (void)::mkfifo((file.parent_path() / ("pipe" + suffix)).c_str(), 0600);
  doing("list its records among junk");
  const auto found = backend->snapshot();
  if (!found)
    return report.fail("junk in the folder hides every record: " + found.error().message,
                       "Reject the bad one, give the others.");
  long seen = 0;
  for (const auto& one : found->records) {
    if (one.record == good) ++seen;
    if (one.record.find(secret) != std::string::npos)
      report.fail("it follows a symbolic link out of the folder and gives what lies there to everybody",
                  "Open with O_NOFOLLOW.");
    if (one.record != good &&
        (one.record == record("device-a", "one", 7) || one.record == record("device-a", "one", 8)))
      report.fail("a copy that a sync tool made in a conflict counts as a record: " + one.origin,
                  "Take files of exactly your own names.");
    if (one.record == record("device-b", "forged", 9))
      report.fail("a record in one device's place speaks for another device",
                  "Check device_id and instance_id against the place.");
  }
  if (seen != 1)
    report.fail("among junk the good record is listed " + std::to_string(seen) + " times",
                "Reject the bad one, give the others.");
  if (found->rejected.empty())
    report.warn("junk is dropped without a word", "Tell what was rejected, and why: people look there first.");
  report.note(std::to_string(found->rejected.size()) + " of 13 odd things were told as rejected");
}

void many(const Context& context, Report& report) {
  Bench bench(context, report);
  const Backend backend = bench.ready ? bench.open() : nullptr;
  if (backend == nullptr) return;
  const int devices = context.options.quick ? 20 : 200, instances = 3;
  std::multiset<std::string> expected;
  for (int d = 0; d < devices; ++d) {
    for (int i = 0; i < instances; ++i) {
      const std::string device = "device-" + std::to_string(d), instance = "instance-" + std::to_string(i);
      const auto text = record(device, instance, 1);
      if (!bench.publish(backend, device, instance, text)) return;
      expected.insert(text);
    }
  }
  bench.expect(backend, expected, std::to_string(devices) + " devices published", "All records there are.");
  const auto start = Clock::now();
  (void)bench.list(backend);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count();
  report.note(std::to_string(expected.size()) + " records are listed in " + std::to_string(ms) + " ms");
  if (ms > 2000)
    report.warn("listing " + std::to_string(expected.size()) + " records takes " + std::to_string(ms) + " ms",
                "The host lists every few seconds.");
}

void gone(const Context& context, Report& report) {
  Bench bench(context, report);
  if (!bench.ready) return;
  if (!bench.in_a_folder()) return report.skip("its settings name no {work}: there is no folder to take away");
  const Backend backend = bench.open();
  if (backend == nullptr || !bench.publish(backend, "device-a", "one", record("device-a", "one", 1))) return;
  std::error_code ignored;
  fs::remove_all(context.work / "data", ignored);
  doing("work while its folder is gone");
  for (int i = 0; i < 3; ++i) {
    for (const auto& error :
         {backend->publish("device-a", "one", record("device-a", "one", 2)), backend->remove("device-a", "two")}) {
      if (!error && error.error().status == 500)
        report.fail("without its folder it is broken: " + error.error().message,
                    "Return LECTERN_UNAVAILABLE: the disk may come back.");
    }
    (void)backend->snapshot();
  }
  fs::create_directories(context.work / "data", ignored);
  doing("work after its folder is back");
  if (!backend->publish("device-a", "one", record("device-a", "one", 3)))
    report.fail("it does not recover when its folder is back", "Open it anew for each call, or when it fails.");
}

/// Random publishing and removing against a map, which is all that a store is.
void fuzzed(const Context& context, Report& report) {
  Bench bench(context, report);
  const Backend backend = bench.ready ? bench.open() : nullptr;
  if (backend == nullptr) return;
  std::map<std::pair<std::string, std::string>, std::string> model;
  fuzz(context, report, [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < 20 && !report.failed(); ++i) {
      const std::string device = "device-" + std::to_string(random() % 4),
                        instance = "instance-" + std::to_string(random() % 3);
      if (random() % 3 == 0) {
        if (!backend->remove(device, instance))
          report.fail("a record cannot be removed", "remove what is there, or say OK.");
        model.erase({device, instance});
      } else {
        const auto text = record(device, instance, static_cast<int>(random() % 1000), random() % 2000);
        if (!bench.publish(backend, device, instance, text)) return;
        model[{device, instance}] = text;
      }
    }
    std::multiset<std::string> expected;
    for (const auto& [key, text] : model) expected.insert(text);
    bench.expect(backend, expected, "publishing and removing at random",
                 "A store holds what was published last, until it is removed.");
  });
}

}  // namespace

std::vector<Test> presence_suite() {
  const auto kind = plugin::Kind::presence;
  return {
      {"presence.records", "publish, replace, list, remove; two devices see each other", 60, kind, true, &records},
      {"presence.whole", "readers see the old record or the new one, never a mixture", 60, kind, true, &whole},
      {"presence.odd-ids", "ids that are no names", 30, kind, true, &odd_ids},
      {"presence.junk", "junk, links, pipes and conflict copies in its folder", 30, kind, true, &junk},
      {"presence.many", "hundreds of devices", 120, kind, true, &many},
      {"fuzz.presence", "publishing and removing at random", 0, kind, true, &fuzzed},
      {"presence.gone", "its folder goes away and comes back", 30, kind, true, &gone},
  };
}

}  // namespace lectern::validate
