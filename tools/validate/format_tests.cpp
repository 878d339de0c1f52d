// The contract of a notebook format (lectern/abi/draft/format.h).
#include <algorithm>
#include <fstream>
#include <random>
#include <thread>

#include "base/json.hpp"
#include "base/text.hpp"
#include "format_samples.hpp"
#include "fuzz.hpp"
#include "host_plugin.hpp"
#include "lectern/abi/draft/format.h"
#include "mutate.hpp"
#include "plugin/format.hpp"
#include "raw_plugin.hpp"
#include "suites.hpp"

namespace lectern::validate {

namespace {

using plugin::FormatCell;
using plugin::ReadNotebook;
using plugin::WriteNotebook;
using Bytes = std::shared_ptr<const std::string>;

struct Bench {
  HostPlugin plugin;
  plugin::FormatPtr format;
  std::string extension;

  Bench(const Context& context, Report& report) : plugin(context, report) {
    if (plugin.generation == nullptr) return;
    auto made = plugin::Format::create(plugin.generation);
    if (!made) {
      report.fail(made.error().message, made.error().hint);
      return;
    }
    format = *made;
    extension = format->extensions().front();
  }
};

WriteNotebook back(const ReadNotebook& read) {
  return {read.cells, read.metadata, read.original, read.language, read.changed};
}

/// Nothing had to be invented or upgraded: what is written must be what was read.
bool as_in_the_file(const ReadNotebook& read) {
  return read.changed == 0 && read.notices.empty() &&
         std::all_of(read.cells.begin(), read.cells.end(), [](const FormatCell& one) { return one.changed == 0; });
}

/// Members come in any order. Keys are unique: the parser sees to it.
bool same_value(const json::Value& one, const json::Value& other) {
  if (one.is_object() && other.is_object()) {
    const auto& members = *one.as_object();
    return members.size() == other.as_object()->size() &&
           std::all_of(members.begin(), members.end(), [&other](const auto& member) {
             const auto* found = other.find(member.first);
             return found != nullptr && same_value(member.second, *found);
           });
  }
  if (one.is_array() && other.is_array())
    return std::equal(one.as_array()->begin(), one.as_array()->end(), other.as_array()->begin(),
                      other.as_array()->end(), same_value);
  return one == other;
}

/// The same JSON, however it is spread over lines; no text is `none`.
bool same_json(std::string_view one, std::string_view other, std::string_view none) {
  if (one == other) return true;
  const auto a = json::parse(one.empty() ? none : one), b = json::parse(other.empty() ? none : other);
  return a && b && same_value(*a, *b);
}

/// nbformat has a text as a string or as the list of its lines.
void join_lines(json::Value& value) {
  const auto* lines = value.as_array();
  if (lines == nullptr) return;
  std::string text;
  for (const auto& line : *lines) {
    if (!line.is_string()) return;
    text += *line.as_string();
  }
  value = json::Value(std::move(text));
}

/// The same outputs, however their texts are cut into lines.
bool same_outputs(std::string_view one, std::string_view other) {
  if (one == other) return true;
  auto a = json::parse(one.empty() ? "[]" : one), b = json::parse(other.empty() ? "[]" : other);
  if (!a || !b) return false;
  for (auto* outputs : {a->as_array(), b->as_array()}) {
    if (outputs == nullptr) return same_value(*a, *b);
    for (auto& output : *outputs) {
      if (!output.is_object()) continue;
      for (auto& [key, value] : *output.as_object()) {
        if (key == "text") join_lines(value);
        if (key != "data" || !value.is_object()) continue;
        for (auto& [type, data] : *value.as_object()) {
          if (!type.ends_with("json")) join_lines(data);
        }
      }
    }
  }
  return same_value(*a, *b);
}

/// Empty when both hold the same; else what differs.
std::string differs(const std::vector<FormatCell>& one, const std::vector<FormatCell>& other, bool all) {
  if (one.size() != other.size()) return std::to_string(one.size()) + " cells became " + std::to_string(other.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    const std::string cell = "cell " + std::to_string(i + 1);
    if (one[i].source != other[i].source)
      return cell + ": the source \"" + text::label(one[i].source, 80) + "\" became \"" +
             text::label(other[i].source, 80) + "\"";
    if (one[i].cell_type != other[i].cell_type)
      return cell + ": type " + std::string(one[i].cell_type) + " became " + std::string(other[i].cell_type);
    if (!all) continue;
    if (one[i].id != other[i].id) return cell + ": its id changed";
    if (!same_outputs(one[i].outputs, other[i].outputs))
      return cell + ": its outputs changed: " + text::label(one[i].outputs, 300) + " became " +
             text::label(other[i].outputs, 300);
    if (!same_json(one[i].metadata, other[i].metadata, "{}")) return cell + ": its metadata changed";
    if (one[i].execution_count != other[i].execution_count) return cell + ": its execution count changed";
  }
  return {};
}

/// The files to try: what the format writes itself, built-in ones of its extension, and --corpus.
std::vector<std::pair<std::string, Bytes>> corpus(const Context& context, const Bench& bench, Report& report) {
  std::vector<std::pair<std::string, Bytes>> out;
  for (const auto& [name, notebook] : new_notebooks()) {
    const auto written = bench.format->write(notebook);
    if (written) {
      out.emplace_back("the new notebook \"" + name + "\"", std::make_shared<const std::string>(*written));
    } else {
      report.fail("a new notebook cannot be written (" + name + "): " + written.error().message, written.error().hint);
    }
  }
  for (const auto& [name, bytes] : built_in_files(bench.extension))
    out.emplace_back("the built-in file " + name, std::make_shared<const std::string>(bytes));
  if (context.options.corpus.empty()) return out;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(context.options.corpus)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    out.emplace_back(path.filename().string(), std::make_shared<const std::string>(std::istreambuf_iterator<char>(file),
                                                                                   std::istreambuf_iterator<char>()));
  }
  return out;
}

/// What must hold for any bytes at all.
void check_bytes(const Bench& bench, const std::string& name, const Bytes& bytes, Report& report) {
  doing("read " + name);
  const auto read = bench.format->read(bytes);
  if (!read) {
    if (read.error().status >= 500)
      report.fail(name + " is a failure of the format: " + read.error().message,
                  "What cannot be read is LECTERN_INVALID, with words.");
    return;
  }
  doing("write " + name + " unchanged");
  const auto written = bench.format->write(back(*read));
  if (!written)
    return report.fail(name + " is read but cannot be written again: " + written.error().message,
                       "Whatever read takes, write must be able to give back.");
  if (as_in_the_file(*read)) {
    if (*written == *bytes) return;
    std::size_t at = 0;
    while (at < bytes->size() && at < written->size() && (*bytes)[at] == (*written)[at]) ++at;
    return report.fail(name + ", read and written unchanged, is another file from byte " + std::to_string(at) +
                           " on: \"" + text::label(bytes->substr(at, 40), 60) + "\" became \"" +
                           text::label(written->substr(at, 40), 60) + "\"",
                       "Hand the original text over with each cell and the notebook, and write it back byte for byte "
                       "where nothing changed; what had to be invented is told by `changed`.");
  }
  doing("read again what it wrote of " + name);
  const auto again = bench.format->read(std::make_shared<const std::string>(*written));
  if (!again)
    return report.fail("what it wrote of " + name + " it cannot read: " + again.error().message,
                       "write must give what read takes.");
  if (const auto what = differs(read->cells, again->cells, true); !what.empty())
    return report.fail(name + " is not the same after it was written: " + what, "An upgrade keeps all there is.");
  const auto twice = bench.format->write(back(*again));
  if (!twice || *twice != *written)
    report.fail("what it wrote of " + name + " changes each time it is read and written",
                "Write the newest form, and leave that alone.");
}

void round_trip(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (bench.format == nullptr) return;
  const auto files = corpus(context, bench, report);
  std::size_t read = 0;
  for (const auto& [name, bytes] : files) {
    check_bytes(bench, name, bytes, report);
    read += bench.format->read(bytes) ? 1 : 0;
  }
  report.note(std::to_string(read) + " of " + std::to_string(files.size()) + " files are notebooks of this format");
}

void new_ones(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (bench.format == nullptr) return;
  for (const auto& [name, notebook] : new_notebooks()) {
    doing("write the new notebook \"" + name + "\"");
    const auto written = bench.format->write(notebook);
    if (!written) {
      report.fail("a new notebook cannot be written (" + name + "): " + written.error().message, written.error().hint);
      continue;
    }
    doing("read the new notebook \"" + name + "\"");
    const auto read = bench.format->read(std::make_shared<const std::string>(*written));
    if (!read) {
      report.fail("it cannot read the new notebook it wrote (" + name + "): " + read.error().message,
                  "write must give what read takes.");
      continue;
    }
    if (const auto what = differs(notebook.cells, read->cells, false); !what.empty()) {
      report.fail("a new notebook does not come back (" + name + "): " + what,
                  "Escape what the format's own marks would swallow; sources and order must survive.");
    } else if (const auto lost = differs(notebook.cells, read->cells, true); !lost.empty()) {
      report.warn("the format has no place for all of a notebook (" + name + "): " + lost,
                  "If it has one, use it; if not, say so in its documentation.");
    }
  }
}

void probe(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (bench.format == nullptr) return;
  const auto& format = *bench.format;
  // Past the adapter, which would clamp what it says; the proxy has no functions to go past it.
  const auto& interface = *static_cast<const lectern_format*>(bench.plugin.generation->interface());
  const auto ask = [&](const std::string& path, const std::string& head, const std::string& name) {
    doing("probe " + name);
    int sure = 0;
    const auto thrown = thrown_by([&] {
      sure = interface.probe == nullptr ? format.probe(path, head)
                                        : may_throw(interface.probe)(to_abi(path), to_abi(head));
    });
    if (!thrown.empty()) report.fail("probe of " + name + " " + thrown, "probe never fails: 0 is its no.");
    if (sure < 0 || sure > 100) report.fail("probe says " + std::to_string(sure) + " for " + name, "0 to 100.");
    return sure;
  };
  const std::string garbage("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x80", 20);
  const int foreign = ask("picture.png", garbage, "a picture");
  if (foreign > 20)
    report.fail("probe is " + std::to_string(foreign) + " % sure that a picture is a notebook of its kind",
                "Look at the bytes; 0 for what is surely something else.");
  const int renamed = ask("picture" + bench.extension, garbage, "a picture with the format's extension");
  const int empty = ask("empty" + bench.extension, "", "an empty file with the format's extension");
  (void)ask("", "", "a file without name and content");
  (void)ask(std::string(100'000, 'a') + bench.extension, std::string(4096, '{'), "a path of 100,000 bytes");
  const auto written = format.write(new_notebooks().front().second);
  if (written) {
    const int own = ask("own" + bench.extension, written->substr(0, 4096), "a notebook of its own");
    if (own < 50)
      report.fail("probe is only " + std::to_string(own) + " % sure of a notebook that the format wrote itself",
                  "Say at least 50 for your own, with your own extension.");
    if (renamed >= own)
      report.fail("probe trusts the name alone: it is as sure of a picture with the right extension as of a notebook",
                  "Look at the bytes too.");
  }
  if (empty == 100 && !format.read(std::make_shared<const std::string>()))
    report.warn("probe is sure of an empty file, and read refuses it",
                "Be less sure, or read it as an empty notebook.");
}

void mutation(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (bench.format == nullptr) return;
  const auto files = corpus(context, bench, report);
  std::mt19937_64 random(context.options.seed);
  const int rounds = context.options.quick ? 60 : 600;
  for (const auto& [name, bytes] : files) {
    for (int i = 0; i < rounds && !report.failed(); ++i) {
      const auto damaged = std::make_shared<const std::string>(mutated(*bytes, random));
      check_bytes(
          bench,
          name + ", damaged (seed " + std::to_string(context.options.seed) + ", round " + std::to_string(i) + ")",
          damaged, report);
    }
  }
  report.note(std::to_string(files.size() * static_cast<std::size_t>(rounds)) + " damaged files");
}

void fuzzed(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (bench.format == nullptr) return;
  const auto files = corpus(context, bench, report);
  fuzz(context, report, [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto& [name, bytes] = files[random() % files.size()];
    std::string damaged = mutated(*bytes, random);
    if (random() % 2 == 0) damaged = mutated(std::move(damaged), random);
    check_bytes(bench, name + ", damaged by seed " + std::to_string(seed),
                std::make_shared<const std::string>(std::move(damaged)), report);
  });
}

void edit(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (bench.format == nullptr) return;
  for (const auto& [name, bytes] : corpus(context, bench, report)) {
    const auto read = bench.format->read(bytes);
    if (!read || read->cells.size() < 2 || !as_in_the_file(*read)) continue;
    WriteNotebook edited = back(*read);
    const std::size_t which = edited.cells.size() / 2;
    const std::string source = "something else entirely\n\"quoted\" \\ and ünïcödé";
    edited.cells[which].source = source;
    edited.cells[which].changed = plugin::cell_source_changed;
    doing("write " + name + " with one cell edited");
    const auto written = bench.format->write(edited);
    if (!written) {
      report.fail(name + " cannot be written with one cell edited: " + written.error().message, written.error().hint);
      continue;
    }
    const auto again = bench.format->read(std::make_shared<const std::string>(*written));
    if (!again) {
      report.fail(name + " cannot be read after one cell was edited: " + again.error().message,
                  "write must give what read takes.");
      continue;
    }
    if (const auto what = differs(edited.cells, again->cells, true); !what.empty())
      report.fail(name + " with one cell edited does not come back: " + what,
                  "Rewrite the edited cell and nothing else.");
    std::size_t at = 0;
    for (std::size_t i = 0; i < edited.cells.size(); ++i) {
      if (i == which) continue;
      const auto found = written->find(edited.cells[i].original, at);
      if (found == std::string::npos) {
        report.fail(name + ": editing cell " + std::to_string(which + 1) + " also changed the text of cell " +
                        std::to_string(i + 1),
                    "Write `original` of every cell whose `changed` is 0.");
        break;
      }
      at = found;
    }
  }
}

void limits(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (bench.format == nullptr) return;
  const auto written = bench.format->write(new_notebooks().front().second);
  if (!written) return report.fail(written.error().message, written.error().hint);
  const auto bytes = std::make_shared<const std::string>(*written);
  const std::pair<plugin::FormatLimits, const char*> cases[] = {
      {{.max_cells = 1}, "cells"}, {{.max_source_bytes = 3}, "bytes of source"}, {{.max_bytes = 8}, "bytes"}};
  for (const auto& [limit, name] : cases) {
    doing(std::string("keep to a limit on ") + name);
    const auto read = bench.format->read(bytes, limit);
    if (read) {
      report.fail(std::string("it reads past a limit on ") + name,
                  "Compare with `limits` while reading, and say LECTERN_TOO_LARGE.");
    } else if (read.error().status != 413) {
      report.warn(std::string("a limit on ") + name + " ends as \"" + read.error().message + "\"",
                  "Return LECTERN_TOO_LARGE and name the limit.");
    }
  }
  doing("say where a file is malformed");
  const auto half = bench.format->read(std::make_shared<const std::string>(written->substr(0, written->size() / 2)));
  if (!half && half.error().details.empty())
    report.warn("half a file is malformed, and it does not say where", "Fill line and column of the error.");
}

void parallel(const Context& context, Report& report) {
  const Bench bench(context, report);
  if (bench.format == nullptr) return;
  const auto files = corpus(context, bench, report);
  std::vector<std::string> expected;
  const auto once = [&](const Bytes& bytes) -> std::string {
    const auto read = bench.format->read(bytes);
    if (!read) return "refused: " + read.error().message;
    const auto written = bench.format->write(back(*read));
    return written ? *written : "not written: " + written.error().message;
  };
  for (const auto& file : files) expected.push_back(once(file.second));
  std::vector<std::thread> threads;
  std::vector<std::string> wrong(4);
  doing("read and write on four threads at once");
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < (context.options.quick ? 3 : 20); ++round) {
        for (std::size_t i = 0; i < files.size(); ++i) {
          const std::size_t which = (i + t) % files.size();
          if (once(files[which].second) != expected[which]) wrong[t] = files[which].first;
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& name : wrong) {
    if (!name.empty())
      return report.fail("read on four threads at once, " + name + " came out differently",
                         "All three functions are pure: no statics.");
  }
}

}  // namespace

std::vector<Test> format_suite() {
  const auto kind = plugin::Kind::format;
  return {
      {"format.new", "a new notebook is written and comes back", 60, kind, true, &new_ones},
      {"format.round-trip", "what is unchanged is written byte for byte as it was read", 60, kind, true, &round_trip},
      {"format.edit", "editing one cell leaves the text of the others alone", 60, kind, true, &edit},
      {"format.probe", "probe is honest", 30, kind, true, &probe},
      {"format.limits", "limits hold, and errors say where", 30, kind, true, &limits},
      {"format.mutation", "damaged files: read and written like any other, or refused with words", 120, kind, true,
       &mutation},
      {"fuzz.format", "damaged files", 0, kind, true, &fuzzed},
      {"format.parallel", "four threads at once", 60, kind, true, &parallel},
  };
}

}  // namespace lectern::validate
