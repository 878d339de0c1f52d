// A notebook with a past: what an edit costs then, and how soon the past can be looked at.
#include <random>

#include "load/crowd.hpp"
#include "load/fanout_floor.hpp"
#include "load/host.hpp"
#include "load/scenarios.hpp"
#include "load/socket.hpp"
#include "load/typist.hpp"

namespace load {
namespace {

constexpr int submitted_at_once = 500;

/// So many edits of one character in one cell: seven of ten insert, the rest delete, the cursor jumps now and then.
void make_history(Socket& editor, Typist& typist, int edits) {
  std::mt19937 random(1);
  std::uint64_t length = 0, cursor = 0;
  for (int done = 0; done < edits;) {
    for (int i = 0; i < submitted_at_once && done < edits; ++i, ++done) {
      if (random() % 40 == 0) cursor = random() % (length + 1);
      if (cursor > 0 && random() % 10 < 3) {
        typist.splice("c0", --cursor, 1, "");
        --length;
      } else {
        typist.splice("c0", cursor++, 0, std::string(1, static_cast<char>('a' + random() % 26)));
        ++length;
      }
    }
    const auto edit = typist.submission();
    editor.send_binary(edit.frame);
    const auto reply = editor.until("\"" + edit.id + "\"");
    if (reply.bytes.find("\"ok\":true") == std::string::npos) give_up("an edit was refused: " + reply.bytes);
  }
}

void one_edit_after(const std::string& what, Host& host, const std::string& session, Socket& editor, Typist& typist,
                    Report& report) {
  std::vector<Socket> readers;
  readers.emplace_back(host, session, "document=changes");
  Crowd reader(readers);
  FanoutFloor floor(host.folder(), 1);
  Samples least, samples;
  for (int i = 0; i < 500; ++i) {
    least.add(floor.once());
    typist.splice("c0", 0, 0, "k");
    const auto edit = typist.submission();
    const auto from = now_us();
    editor.send_binary(edit.frame);
    samples.add(reader.until(edit.payload) - from);
    editor.until("\"" + edit.id + "\"");
  }
  report.add("floor: fdatasync and one socket write by one thread", least);
  report.add("history: an edit, fsynced, to its reader, after " + what, samples);
  report.add("history: arrival to broadcast above its floor, after " + what, "ms",
             samples.quantile(0.5) - least.quantile(0.5), {{"value", 0.1}});
}

std::int64_t look(Host& host, const std::string& path) {
  const auto from = now_us();
  host.request("GET", path);
  return now_us() - from;
}

}  // namespace

void look_at_history(Host& host, const std::string& session, const std::string& what, Report& report) {
  const auto base = "/api/v1/sessions/" + session + "/history";
  Samples list, first, later;
  for (int i = 0; i < 5; ++i) list.add(look(host, base));
  const auto versions = host.request("GET", base);
  const auto oldest = base + "/" + *versions.find("versions")->as_array()->back().find("version")->as_string();
  first.add(look(host, oldest));
  for (int i = 0; i < 5; ++i) later.add(look(host, oldest));
  report.add("history: the list of versions, " + what, list);
  report.add("history: first look at a version, " + what, first);
  report.add("history: further looks, " + what, later);
}

void history(const Options& options, Report& report) {
  for (const int edits : options.brief ? std::vector{1'000, 10'000} : std::vector{1'000, 100'000, 260'000}) {
    Host host(options.binary, {"--autosave-at-most-ms", "0"});
    host.write("n.ipynb", notebook(""));
    const auto session = host.open("n.ipynb");
    Socket editor(host, session, "document=changes");
    Typist typist(editor);
    make_history(editor, typist, edits);
    const auto what = std::to_string(edits) + " edits";
    one_edit_after(what, host, session, editor, typist, report);
    look_at_history(host, session, what, report);
    report.add("history: resident after looking, " + what, "MB", host.resident_mb());
  }
}

}  // namespace load
