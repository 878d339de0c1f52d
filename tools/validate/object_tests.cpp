// What holds for the objects of every kind: settings, sinks, threads, memory, generations side by side.
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "allocation.hpp"
#include "base/text.hpp"
#include "guarded_page.hpp"
#include "suites.hpp"
#include "use.hpp"

namespace lectern::validate {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// One copy of the plugin, loaded by hand.
struct Loaded {
  std::unique_ptr<RawPlugin> plugin;
  const void* interface = nullptr;

  Loaded(const Context& context, Report& report) {
    doing("be loaded");
    auto made = RawPlugin::load(fresh_copy(context.subject.library, context.work));
    if (!made) {
      report.fail(made.error().message, made.error().hint);
      return;
    }
    plugin = std::move(*made);
    interface = plugin->interface(context.subject.manifest->kind);
  }
  [[nodiscard]] std::unique_ptr<Use> use(const Context& context, std::string_view folder = "data") const {
    return make_use(context.subject.manifest->kind, interface, context.config(folder));
  }
};

bool made(Use& use, Report& report) {
  doing("take its settings");
  const auto result = use.create();
  if (result.status == LECTERN_OK && result.thrown.empty()) return true;
  report.fail("it takes no settings to be tried with: " + (result.thrown.empty() ? result.text : result.thrown),
              "Name some that it takes with --config; {work} in it stands for a fresh folder.");
  return false;
}

/// The first line in which two lists of steps differ.
std::string difference(const std::string& one, const std::string& other) {
  std::size_t at = 0;
  while (at < one.size() && at < other.size() && one[at] == other[at]) ++at;
  const auto line_at = [&](const std::string& text) {
    const auto from = text.rfind('\n', at == 0 ? 0 : at - 1);
    const auto start = from == std::string::npos ? 0 : from + 1;
    return text::label(text.substr(start, text.find('\n', at) - start), 200);
  };
  return "\"" + line_at(one) + "\" became \"" + line_at(other) + "\"";
}

void settings(const Context& context, Report& report) {
  if (context.subject.manifest->kind == plugin::Kind::format) return report.skip("a format has no settings");
  const Loaded loaded(context, report);
  if (loaded.interface == nullptr) return;
  const auto kind = context.subject.manifest->kind;
  if (!made(*loaded.use(context), report)) return;
  const std::string good = context.config();
  const std::string with_unknown = good == "{}" ? R"({"no_such_setting_at_all":1})"
                                                : good.substr(0, good.rfind('}')) + R"(,"no_such_setting_at_all":1})";
  const std::vector<std::pair<std::string, std::string>> wrong{
      {with_unknown, "a setting that does not exist"},
      {"[]", "settings that are a list"},
      {"{", "settings that are cut off"},
      {"nonsense", "settings that are no JSON"},
      {"{\"a\":" + std::string(100'000, '['), "settings nested 100,000 deep"},
      {std::string("{\"\xff\xfe\":1}"), "settings that are not UTF-8"},
  };
  for (const auto& [config, name] : wrong) {
    doing("refuse " + name);
    const GuardedPage page(config);
    auto use = make_use(kind, loaded.interface, std::string(page.text()));
    lectern_error error = empty_error();
    const auto result = use->create(&error);
    if (!result.thrown.empty()) {
      report.fail("with " + name + " it " + result.thrown, "No exception may leave a plugin.");
    } else if (result.status == LECTERN_OK) {
      report.fail("it takes " + name + " without a word: a spelling mistake would go unnoticed",
                  "Read settings with sdk/settings.hpp and call done() after the last.");
    } else if (said(error).empty()) {
      report.fail("it refuses " + name + " and does not say why",
                  "Fill error->message, and error->hint with what to do.");
    } else if (result.status == LECTERN_INTERNAL) {
      report.warn("it calls " + name + " its own fault (LECTERN_INTERNAL): " + said(error), "Return LECTERN_INVALID.");
    }
  }
  for (const std::size_t size : {sizeof(std::uint32_t) * 2, offsetof(lectern_error, message)}) {
    doing("refuse settings into a lectern_error of " + std::to_string(size) + " bytes");
    const GuardedPage page(std::string(size, '\0'));
    const auto told = static_cast<std::uint32_t>(size);
    std::memcpy(page.data(), &told, sizeof told);
    (void)make_use(kind, loaded.interface, "nonsense")->create(reinterpret_cast<lectern_error*>(page.data()));
  }
}

void two_objects(const Context& context, Report& report) {
  const Loaded loaded(context, report);
  if (loaded.interface == nullptr) return;
  auto alone = loaded.use(context, "alone");
  if (!made(*alone, report)) return;
  doing("do its work alone");
  const std::string expected = alone->all_steps();
  auto first = loaded.use(context, "first"), second = loaded.use(context, "second");
  if (!made(*first, report) || !made(*second, report)) return;
  std::string one, other;
  for (int i = 0; i < first->steps(); ++i) {
    doing("do the same in two objects by turns: " + first->name(i));
    one += first->name(i) + ": " + first->step(i).digest() + "\n";
    // The other one is a step behind, so that they never are at the same place.
    if (i > 0) other += second->name(i - 1) + ": " + second->step(i - 1).digest() + "\n";
  }
  const int last = second->steps() - 1;
  other += second->name(last) + ": " + second->step(last).digest() + "\n";
  if (one != expected || other != expected)
    report.fail("two objects at once are not independent: " + difference(expected, one != expected ? one : other),
                "Keep what an object knows in the object, not in statics.");
  first->destroy();
  doing("go on after another object was freed");
  if (second->step(0).status != LECTERN_OK && alone->step(0).status == LECTERN_OK)
    report.fail("an object stops working when another one is freed",
                "Nothing of an object may be shared with another.");
}

void threads(const Context& context, Report& report) {
  const Loaded loaded(context, report);
  if (loaded.interface == nullptr) return;
  auto alone = loaded.use(context, "alone");
  if (!made(*alone, report)) return;
  const std::string expected = alone->all_steps();
  auto use = loaded.use(context, "other");
  std::string got;
  // The host promises an order, not a thread: each call comes from another one.
  const auto elsewhere = [](const std::function<void()>& body) { std::thread(body).join(); };
  bool ready = false;
  elsewhere([&] { ready = made(*use, report); });
  if (!ready) return;
  for (int i = 0; i < use->steps(); ++i) {
    doing("answer on a new thread: " + use->name(i));
    elsewhere([&] { got += use->name(i) + ": " + use->step(i).digest() + "\n"; });
  }
  doing("be freed on a new thread");
  elsewhere([&] { (void)use->destroy(); });
  if (got != expected)
    report.fail("it depends on the thread it is called from: " + difference(expected, got),
                "No thread_local state: the host calls one object from any of its threads, one after the other.");
  if (use->sinks.wrong_thread != 0)
    report.fail("it calls the host's sinks from a thread of its own",
                "A sink belongs to the call that it was given to.");
  if (use->sinks.late != 0)
    report.fail("it calls a sink after the call that it was given to", "Keep no pointer to a sink.");
  if (loaded.plugin->host().null_texts != 0)
    report.fail("it logs text with a length and no pointer", "Give pointer and length of the same text.");
}

void failing_sinks(const Context& context, Report& report) {
  const Loaded loaded(context, report);
  if (loaded.interface == nullptr) return;
  auto alone = loaded.use(context, "alone");
  if (!made(*alone, report)) return;
  const std::string expected = alone->all_steps();
  const long calls = alone->sinks.calls;
  for (long at = 0; at < std::min<long>(calls, 300); ++at) {
    auto use = loaded.use(context, "sink-" + std::to_string(at));
    if (!made(*use, report)) return;
    use->sinks.fail_at = at;
    for (int i = 0; i < use->steps(); ++i) {
      const std::string name = use->name(i);
      doing("end \"" + name + "\" when the host refuses what it hands over");
      const auto result = use->step(i);
      if (!use->sinks.refused) continue;
      if (!result.thrown.empty())
        return report.fail("when the host refuses what it hands over, " + name + " " + result.thrown,
                           "No exception may leave a plugin.");
      if (result.status == LECTERN_OK)
        return report.fail("the host refused what \"" + name + "\" handed over, and it says that all went well",
                           "Look at what a sink returns; return that status at once.");
      if (use->sinks.after_refusal != 0)
        return report.fail("\"" + name + "\" goes on handing things over after the host refused",
                           "Look at what a sink returns; return that status at once.");
      if (result.status != use->sinks.refusal)
        return report.warn("\"" + name + "\" makes status " + std::to_string(result.status) +
                               " of a refusal with status " + std::to_string(use->sinks.refusal),
                           "Return the sink's own status: it says who is at fault.");
      break;
    }
    doing("do its work after the host had refused something");
    auto after = loaded.use(context, "after-" + std::to_string(at));
    if (!made(*after, report)) return;
    if (const auto got = after->all_steps(); got != expected)
      return report.fail(
          "after the host refused something, other objects answer differently: " + difference(expected, got),
          "Undo what a call began when it ends early.");
  }
  report.note(std::to_string(calls) + " calls of sinks, each refused once");
}

/// Fails the first allocation, then the second, ... until the call no longer notices. True = went through.
bool starve(const Context& context, const Loaded& loaded, bool stay_out, long& most, Report& report) {
  const int steps = loaded.use(context, "steps")->steps();
  for (int which = -1; which < steps; ++which) {
    for (long n = 0; n < (context.options.quick ? 40 : 400); ++n) {
      auto use = loaded.use(context, "memory-" + std::to_string(which) + "-" + std::to_string(n));
      StepResult result;
      std::string name = "create";
      if (which == -1) {
        use->allocations = n;
        use->stay_out = stay_out;
        doing("be made when allocation " + std::to_string(n + 1) + " fails");
        result = use->create();
      } else {
        if (!made(*use, report)) return false;
        for (int i = 0; i < which; ++i) (void)use->step(i);
        use->allocations = n;
        use->stay_out = stay_out;
        name = use->name(which);
        doing("end \"" + name + "\" when allocation " + std::to_string(n + 1) + " fails");
        result = use->step(which);
      }
      use->allocations = -1;
      if (!result.thrown.empty()) {
        report.fail("when memory runs out, \"" + name + "\" " + result.thrown,
                    "Catch std::bad_alloc at the line and return LECTERN_INTERNAL; the C++ wrapper does.");
        return false;
      }
      if (!result.ran_out) break;
      most = std::max(most, n + 1);
    }
  }
  return true;
}

void out_of_memory(const Context& context, Report& report) {
  if (!allocator_is_ours)
    return report.skip("this build of the validator has an allocator that cannot be made to fail");
  if (context.subject.manifest->kind == plugin::Kind::runtime)
    return report.skip("a runtime's threads do the work: what one call allocates says little");
  const Loaded loaded(context, report);
  if (loaded.interface == nullptr || !made(*loaded.use(context), report)) return;
  long most = 0;
  if (!starve(context, loaded, false, most, report) || !starve(context, loaded, true, most, report)) return;
  doing("do its work after memory had run out");
  auto use = loaded.use(context, "after");
  auto fresh = loaded.use(context, "fresh");
  if (!made(*use, report) || !made(*fresh, report)) return;
  if (use->all_steps() != fresh->all_steps())
    report.fail("after memory had run out it answers differently", "Undo what a call began when it ends early.");
  report.note("up to " + std::to_string(most) +
              " allocations in one call, each made to fail, alone and with all that follow");
}

void longer_structs(const Context& context, Report& report) {
  const Loaded loaded(context, report);
  if (loaded.interface == nullptr) return;
  auto usual = loaded.use(context, "usual"), longer = loaded.use(context, "longer");
  if (!made(*usual, report) || !made(*longer, report)) return;
  longer->extra = 48;
  const std::string expected = usual->all_steps();
  std::string got;
  for (int i = 0; i < longer->steps(); ++i) {
    doing("take structs that are longer than it knows: " + longer->name(i));
    got += longer->name(i) + ": " + longer->step(i).digest() + "\n";
  }
  if (got != expected)
    report.fail("structs that are longer than it knows confuse it: " + difference(expected, got),
                "Walk arrays by their stride, and ignore what is behind the fields you know: newer hosts have more.");
}

struct Leftovers {
  std::size_t files = 0, threads = 0;
  static std::size_t count(const char* folder) {
    std::size_t n = 0;
    std::error_code error;
    for ([[maybe_unused]] const auto& one : fs::directory_iterator(folder, error)) ++n;
    return n;
  }
  static Leftovers now() { return {count("/proc/self/fd"), count("/proc/self/task")}; }
};

void unmapped(const Context& context, Report& report) {
  const bool promised = context.subject.manifest->unloadable;
  const int rounds = promised ? 100 : 5;
  const auto library = fresh_copy(context.subject.library, context.work);
  const std::string config = context.config();
  Leftovers before;
  for (int round = 0; round < rounds; ++round) {
    doing("be loaded, used and unloaded, round " + std::to_string(round + 1));
    auto plugin = RawPlugin::load(library);
    if (!plugin) return report.fail(plugin.error().message, plugin.error().hint);
    {
      auto use = make_use(context.subject.manifest->kind, (*plugin)->interface(context.subject.manifest->kind), config);
      if (!made(*use, report)) return;
      // On a thread of its own, which ends before: what it leaves in thread-local storage must not hold the library.
      std::thread([&] { (void)use->all_steps(); }).join();
      (void)use->destroy();
    }
    const bool gone = (*plugin)->close();
    if (promised && !gone)
      return report.fail(
          "after " + std::to_string(round + 1) + " rounds of loading and closing the library is still in memory",
          "A unique symbol, a thread_local with a destructor, a thread that still runs or an exit handler "
          "holds it: mend that (static.unloading tells more), or say RESIDENT in lectern_add_plugin().");
    if (round == 1) before = Leftovers::now();
  }
  const auto after = Leftovers::now();
  if (after.threads > before.threads)
    report.fail("threads are left behind after destroy and deinit: " + std::to_string(after.threads - before.threads) +
                    " more after " + std::to_string(rounds) + " rounds",
                "Join every thread in the object's destructor.");
  if (after.files > before.files + 1)
    report.fail("files are left open after destroy and deinit: " + std::to_string(after.files - before.files) +
                    " more after " + std::to_string(rounds) + " rounds",
                "Close what the object opened in its destructor.");
  report.note(promised ? "loaded, used, unloaded and gone " + std::to_string(rounds) + " times"
                       : "the manifest does not say that it can be unloaded; loaded and closed " +
                             std::to_string(rounds) + " times all the same");
}

void side_by_side(const Context& context, Report& report) {
  const Loaded one(context, report), other(context, report);
  if (one.interface == nullptr || other.interface == nullptr) return;
  if (one.interface == other.interface)
    return report.fail("two generations share one interface: the second is the first",
                       "A symbol of it is unique to the process; static.exports and static.unloading tell which.");
  auto first = one.use(context, "first"), second = other.use(context, "second");
  if (!made(*first, report) || !made(*second, report)) return;
  doing("do the same in two generations at once");
  const auto expected = first->all_steps();
  if (const auto got = second->all_steps(); got != expected)
    report.fail("a second generation beside the first answers differently: " + difference(expected, got),
                "Nothing may be shared between generations: no files of fixed names, no environment.");
  (void)first->destroy();
  first.reset();
  one.plugin->close();
  doing("go on after the older generation was closed");
  auto third = other.use(context, "third");
  if (made(*third, report) && third->all_steps() != expected)
    report.fail("when one generation is closed the other answers differently",
                "Nothing may be shared between generations.");
}

void swap(const Context& context, Report& report) {
  const Loaded reference(context, report);
  if (reference.interface == nullptr) return;
  auto alone = reference.use(context, "reference");
  if (!made(*alone, report)) return;
  const std::string expected = alone->all_steps();
  const auto until = Clock::now() + std::chrono::milliseconds(context.options.quick ? 300 : 1500);
  std::mutex mutex;
  std::string problem;
  std::atomic<long> rounds{0}, swaps{0};
  // Each thread lives in a generation of its own, and moves to the next one while the other is at work.
  const auto live = [&](int thread) {
    for (int turn = 0; Clock::now() < until; ++turn) {
      Report inner;
      std::unique_ptr<Loaded> loaded;
      std::unique_ptr<Use> use;
      {
        const std::scoped_lock lock(mutex);  // [control] calls never run side by side
        loaded = std::make_unique<Loaded>(context, inner);
        if (loaded->interface != nullptr)
          use = loaded->use(context, "swap-" + std::to_string(thread) + "-" + std::to_string(turn));
        if (use == nullptr || !made(*use, inner)) {
          problem = "a generation could not be loaded while another one worked";
          return;
        }
      }
      doing("work in two generations while they are swapped");
      const auto got = use->all_steps();
      ++rounds;
      const std::scoped_lock lock(mutex);
      if (got != expected && problem.empty()) problem = difference(expected, got);
      (void)use->destroy();
      use.reset();
      loaded.reset();
      ++swaps;
    }
  };
  std::thread one(live, 1), other(live, 2);
  one.join();
  other.join();
  if (!problem.empty())
    report.fail("while generations are swapped under load: " + problem,
                "Nothing may be shared between generations or between threads without a lock.");
  report.note(std::to_string(swaps.load()) + " swaps under two threads at work");
}

}  // namespace

std::vector<Test> object_suite() {
  return {
      {"load.unmapped", "loaded, used and unloaded a hundred times; nothing of it stays", 120, {}, true, &unmapped},
      {"load.side-by-side", "two generations at once, each on its own", 60, {}, true, &side_by_side},
      {"load.swap", "generations come and go while two threads work in them", 60, {}, true, &swap},
      {"object.settings", "wrong settings are refused, with words", 30, {}, true, &settings},
      {"object.two", "two objects are independent", 60, {}, true, &two_objects},
      {"object.threads", "every call from another thread; sinks are called where they belong", 60, {}, true, &threads},
      {"object.sinks", "it stops when the host refuses what it hands over", 60, {}, true, &failing_sinks},
      {"object.memory", "it survives running out of memory at any place", 120, {}, true, &out_of_memory},
      {"object.longer-structs", "structs of a newer host, which are longer", 30, {}, true, &longer_structs},
  };
}

}  // namespace lectern::validate
