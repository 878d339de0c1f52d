#include "session/live_session.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/workers.hpp"
#include "document/notebook_file.hpp"
#include "document/trimming.hpp"
#include "plugin/registry.hpp"
#include "runtime/service.hpp"
#include "runtime/whole_output.hpp"
#include "session/attendance.hpp"
#include "session/cursors.hpp"
#include "session/dispatch.hpp"
#include "session/editing.hpp"
#include "session/history.hpp"
#include "session/inbound.hpp"
#include "session/models_feed.hpp"
#include "session/outside.hpp"
#include "session/policy_driver.hpp"
#include "session/referee.hpp"
#include "session/running.hpp"
#include "session/saver.hpp"
#include "session/takeovers.hpp"
#include "session/trust.hpp"

namespace lectern::session {
namespace {

constexpr int clients_kept_days = 7;
constexpr std::size_t clients_kept = 1'000;
constexpr std::chrono::seconds end_retry{1};
constexpr int first_try_ms = 1'000, longest_try_ms = 30'000;  // of a notebook that the disk does not let be edited

std::uint64_t next_connection() {
  static std::atomic<std::uint64_t> last{0};  // over all sessions: a transport serves them all
  return ++last;
}

Error gone() {
  return {404, "session_not_found", "the session has ended", "open the notebook again", ""};
}

// Whoever opened the notebook next would take the journal for what was edited here, and the newer file for another
// program's. The file goes first only while it is the one that has everything.
void prefer_file(const std::string& path, const document::Fingerprint& saved, const std::string& state_dir) {
  const auto now = document::fingerprint(path);
  if (!now || !(*now == saved)) return;
  if (const auto aside = document::put_journal_aside(state_dir); !aside) {
    log::warning("session", path + " has edits that its journal has not. " + aside.error().message);
  }
}

}  // namespace

LiveSession::LiveSession(std::string id, Loop& loop, Services services, Settings settings, Home home)
    : id_(std::move(id)),
      loop_(loop),
      services_(std::move(services)),
      settings_(settings),
      home_(std::move(home)),
      wall_offset_ms_(clock::wall_ms() - clock::now_ms()),
      started_wall_ms_(clock::wall_ms()),
      clients_(services_.clients),
      idle_(loop),
      again_(loop) {}

LiveSession::~LiveSession() = default;

void LiveSession::begin(Prepared prepared) {
  prepared_ = std::move(prepared);
  auto& stored = prepared_.ledger.state;
  for (const auto& id : clients_.load(stored.clients, clients_kept_days, clients_kept)) ledger().forget(id);
  stored.clients.clear();
  room_.continue_after(stored.epochs);
  epochs_ = std::make_unique<Epochs>(
      stored.epochs, prepared_.ledger.reserved, settings_.epoch_block, [this](std::uint64_t upto) {
        ledger().reserve_epochs(upto, loop_, [weak = weak_from_this(), upto, token = at_work()](Status status) {
          const auto self = weak.lock();
          if (!self || self->ended_) return;
          status ? self->epochs().confirm(upto) : self->epochs().refuse();
          self->policies().resume(status);
        });
      });
  connections_ = std::make_unique<Connections>(*this);
  attendance_ = std::make_unique<Attendance>(*this);
  cursors_ = std::make_unique<Cursors>(*this);
  takeovers_ = std::make_unique<Takeovers>(*this);
  dispatch_ = std::make_unique<Dispatch>(*this);
  editing_ = std::make_unique<Editing>(*this);
  history_ = std::make_unique<History>(*this);
  running_ = std::make_unique<Running>(*this);
  saver_ = std::make_unique<Saver>(*this);
  outside_ = std::make_unique<Outside>(*this);
  trust_ = std::make_unique<Trust>(*this);
  models_feed_ = std::make_unique<ModelsFeed>(*this);
  policies_ = std::make_unique<PolicyDriver>(*this, prepared_.policy, stored.policy);
  {
    const std::scoped_lock lock(info_mutex_);
    info_ = {id_, notebook_id(), path(), prepared_.format->id(), editing_->cell_count(), false};
  }
  outside_->begin(*home_.files);
  editing_->begin();
  trust_->look_at(editing_->metadata_json());
  if (editing_->built()) {
    outside_->document_built();
    saver_->document_built();
  }
  if (const auto& why = prepared_.notebook.unwritable) {
    saver_->journal_failed({503, "journal_failed", why->message, why->hint, ""});
    try_again_in(first_try_ms);
  }
  running_->begin();
  publish_summary();
  check_idle();
}

void LiveSession::try_again_in(int ms) {
  again_.start(std::chrono::milliseconds(ms), [this, ms] {
    if (ending_ || ended_) return;
    home_.try_again(id_);
    try_again_in(std::min(2 * ms, longest_try_ms));
  });
}

ConnectionInfo LiveSession::connection_info() const {
  const std::scoped_lock lock(info_mutex_);
  return info_;
}

template <class T, class F>
void LiveSession::on_reactor(Reply<T> reply, F work) {
  loop_.dispatch([self = shared_from_this(), reply = std::move(reply), work = std::move(work)]() mutable {
    if (self->ended_ || !self->connections_) return reply(fail(gone()));
    work(*self, std::move(reply));
  });
}

Status LiveSession::check_key(std::string_view key) const {
  if (key.empty()) return {};
  const auto dot = key.find('.');
  const auto secret = dot == std::string_view::npos ? std::string_view() : key.substr(dot + 1);
  if (services_.clients->knows(key.substr(0, dot), crypto::sha256(secret))) return {};
  return fail(Clients::unknown());
}

std::unique_ptr<LinkEvents> LiveSession::connect(ConnectRequest request, Link& link) {
  const auto refuse = [&link](const std::string& why) -> std::unique_ptr<LinkEvents> {
    log::warning("session", "a connection was refused: " + why);
    link.close(1011, "INTERNAL");
    return nullptr;
  };
  if (ended_ || ending_ || !connections_) {
    link.close(1000, "SESSION_ENDED");
    return nullptr;
  }
  auto options = parse_options(request);
  if (!options) return refuse(options.error().message);
  const auto wanted = request.subprotocol.empty() ? plugin::Carrier::byte_stream : plugin::Carrier::ws_message;
  const auto& name = request.subprotocol.empty() ? request.media_type : request.subprotocol;
  for (const auto& transport : services_.transports) {
    const auto& bindings = transport->bindings();
    for (std::uint32_t i = 0; i < bindings.size(); ++i) {
      const bool named = name.empty() || bindings[i].name == name;
      if (bindings[i].carrier != wanted || bindings[i].route != request.route || !named) continue;
      const auto id = next_connection();
      const bool stream = wanted == plugin::Carrier::byte_stream;
      // The codec of one that lives in a process of its own is asked later; what comes and goes waits for its answer.
      const bool waits = transport->waits();
      Result<std::uint64_t> encoding(0);
      if (!waits) encoding = transport->open(id, i, request.query_json.empty() ? "{}" : request.query_json);
      if (!encoding) return refuse(encoding.error().message);
      auto connection = std::make_unique<Connection>(shared_from_this(), link, std::move(request), std::move(*options),
                                                     Connection::Wiring{id, transport, *encoding, stream});
      if (waits) connection->open_later(i);
      idle_.cancel();
      identify(*this, *connection);
      return connection;
    }
  }
  return refuse("no transport plugin serves this route");
}

void LiveSession::make_client(NewClient client, Reply<CommandReply> reply) {
  on_reactor(std::move(reply), [client = std::move(client)](LiveSession& self, Reply<CommandReply> answer) mutable {
    auto issued = self.clients_.issue(std::move(client.label), std::move(client.kind), std::move(client.principal),
                                      client.view_only);
    const auto number = issued.client->number;
    self.attendance().arrive_without_socket(
        *issued.client, client.scope, std::move(client.device),
        [&self, number, secret = std::move(issued.secret), answer = std::move(answer)](Status status) mutable {
          if (!status) return answer(fail(status.error()));
          const auto* member = self.room().find(number);
          std::string out;
          json::Writer writer(out);
          writer.begin_object().key("client").begin_object();
          writer.member("id", member->client_id).member("secret", secret).end_object();
          writer.member_raw("consumer_capabilities", capabilities_json(member->caps));
          if (member->grant != 0) writer.member("epoch", member->grant);
          writer.member_raw("room", room_state_json(self.room(), self.wall_offset_ms())).end_object();
          answer(CommandReply{201, std::move(out)});
        });
  });
}

void LiveSession::command(CommandRequest request, Reply<CommandReply> reply) {
  on_reactor(std::move(reply), [request = std::move(request)](LiveSession& self, Reply<CommandReply> answer) mutable {
    auto client = self.clients_.authenticate(request.client_key);
    if (!client) return answer(fail(client.error()));
    Sender sender{*client, 0, request.scope, request.epoch};
    self.dispatch().run(sender, request.name, std::move(request.id), std::move(request.body),
                        std::move(request.buffers), std::move(answer));
  });
}

void LiveSession::takeover_status(std::string client_key, std::uint64_t request_id, int wait_ms,
                                  Reply<CommandReply> reply) {
  on_reactor(std::move(reply),
             [key = std::move(client_key), request_id, wait_ms](LiveSession& self, Reply<CommandReply> answer) {
               auto client = self.clients_.authenticate(key);
               if (!client) return answer(fail(client.error()));
               if (auto* member = self.room().find((*client)->number)) self.attendance().requested(*member, wait_ms);
               self.takeovers().status((*client)->id, request_id, wait_ms, std::move(answer));
             });
}

void LiveSession::document(Reply<DocumentBytes> reply) {
  on_reactor(std::move(reply), [](LiveSession& self, Reply<DocumentBytes> answer) {
    self.editing().when_built([&self, answer = std::move(answer)](Status status) mutable {
      if (!status) return answer(fail(status.error()));
      self.editing().when_quiet([&self, answer = std::move(answer)]() mutable {
        auto& shown = self.editing().shown();
        auto bytes = shown.save();
        if (!bytes) return answer(fail(bytes.error()));
        std::vector<std::string> heads;
        for (const auto& head : shown.heads()) heads.push_back(head.hex());
        answer(DocumentBytes{std::move(*bytes), std::move(heads)});
      });
    });
  });
}

void LiveSession::file(Reply<NotebookBytes> reply) {
  on_reactor(std::move(reply), [](LiveSession& self, Reply<NotebookBytes> answer) {
    self.editing().when_built([&self, answer = std::move(answer)](Status status) mutable {
      if (!status) return answer(fail(status.error()));
      self.saver().render([&self, answer = std::move(answer)](Result<std::string> bytes) mutable {
        if (!bytes) return answer(fail(bytes.error()));
        answer(NotebookBytes{std::filesystem::path(self.path()).filename().string(), std::move(*bytes)});
      });
    });
  });
}

void LiveSession::rename_file(std::string path, Reply<bool> reply) {
  on_reactor(std::move(reply), [path = std::move(path)](LiveSession& self, Reply<bool> answer) mutable {
    self.saver().flush(
        [weak = self.weak_from_this(), path = std::move(path), answer = std::move(answer)](Status saved) mutable {
          const auto session = weak.lock();
          if (!session || session->ended()) return answer(fail(gone()));
          if (!saved) return answer(fail(std::move(saved).error()));
          session->outside().rename(std::move(path), std::move(answer));
        });
  });
}

void LiveSession::history(HistoryQuery query, Reply<CommandReply> reply) {
  on_reactor(std::move(reply), [query = std::move(query)](LiveSession& self, Reply<CommandReply> answer) mutable {
    self.history().ask(std::move(query), std::move(answer));
  });
}

json::Value LiveSession::description() {
  json::Value out;
  out.set("protocol", "lectern.v1");
  out.set("session_id", id_);
  out.set("notebook_id", notebook_id());
  out.set("path", path());
  out.set("format", prepared_.format->id());
  out.set("cell_count", editing().cell_count());
  out.set("needs_trust_approval", trust().needs_approval());
  out.set("room", json::Raw{room_state_json(room_, wall_offset_ms_)});
  out.set("kernel", json::Raw{running().kernel_status()});
  out.set("save", json::Raw{saver().state_json()});
  out.set("policy", policies().current()->id());
  out.set("stream", connections().stream());
  out.set("seq", connections().seq());
  out.set("heads", json::Raw{editing().heads_json()});
  out.set("document_built", editing().built());
  out.set("started_at", clock::rfc3339(started_wall_ms_));
  json::Value counts;
  counts.set("commands", counters_.commands);
  counts.set("refused", counters_.refused);
  counts.set("dropped", counters_.dropped);
  counts.set("effects_refused", counters_.effects_refused);
  counts.set("policy_faults", counters_.policy_faults);
  counts.set("policy_fallbacks", counters_.policy_fallbacks);
  counts.set("grants", counters_.takeovers);
  counts.set("resyncs", counters_.resyncs);
  counts.set("too_slow", counters_.too_slow);
  out.set("counters", std::move(counts));
  std::uint64_t waiting = 0, most = 0;
  for (const auto& [id, connection] : connections().all()) {
    const std::uint64_t bytes = connection->waiting_bytes();
    waiting += bytes;
    most = std::max(most, bytes);
  }
  out.set("queue_bytes", waiting);
  out.set("longest_queue_bytes", most);
  return out;
}

void LiveSession::describe(Reply<json::Value> reply) {
  on_reactor(std::move(reply), [](LiveSession& self, Reply<json::Value> answer) { answer(self.description()); });
}

namespace {

json::Value policy_value(const plugin::Policy& policy) {
  json::Value out;
  out.set("policy", policy.id());
  out.set("config", json::Raw{policy.config().empty() ? "{}" : policy.config()});
  out.set("multi_editor", policy.multi_editor());
  out.set("generation", policy.generation()->number());
  return out;
}

}  // namespace

void LiveSession::policy(Reply<json::Value> reply) {
  on_reactor(std::move(reply),
             [](LiveSession& self, Reply<json::Value> answer) { answer(policy_value(*self.policies().current())); });
}

void LiveSession::policy_recording(Reply<std::string> reply) {
  on_reactor(std::move(reply),
             [](LiveSession& self, Reply<std::string> answer) { answer(self.policies().record().text()); });
}

void LiveSession::set_policy(PolicyChoice choice, Reply<json::Value> reply) {
  services_.workers->submit(
      [self = shared_from_this(), choice = std::move(choice), reply = std::move(reply)]() mutable {
        auto generation = self->services_.registry->load(plugin::Kind::policy, choice.policy);
        Result<plugin::PolicyPtr> policy =
            generation ? plugin::Policy::create(*generation, choice.config.empty() ? "{}" : choice.config)
                       : Result<plugin::PolicyPtr>(fail(generation.error()));
        auto& loop = self->loop_;
        loop.post([self = std::move(self), choice = std::move(choice), policy = std::move(policy),
                   reply = std::move(reply)]() mutable {
          if (self->ended_ || !self->policies_) return reply(fail(gone()));
          if (!policy) return reply(fail(policy.error()));
          auto* session = self.get();
          if (choice.dry_run) return session->policies().shadow(std::move(*policy), choice.watch_ms, std::move(reply));
          session->policies().swap(std::move(*policy), [session, reply = std::move(reply)](Status status) mutable {
            if (!status) return reply(fail(status.error()));
            reply(policy_value(*session->policies().current()));
          });
        });
      });
}

void LiveSession::revoke(std::string principal) {
  loop_.dispatch([self = shared_from_this(), principal = std::move(principal)] {
    if (!self->ended_ && self->attendance_) self->attendance().revoke(principal);
  });
}

void LiveSession::has_blob(std::string sha256, Reply<bool> reply) {
  on_reactor(std::move(reply), [sha256 = std::move(sha256)](LiveSession& self, Reply<bool> answer) {
    answer(self.running().runtime().outputs().has_blob(sha256) || self.models_feed().has_blob(sha256));
  });
}

void LiveSession::whole_output(std::string id, Reply<WholeFilePtr> reply) {
  on_reactor(std::move(reply), [id = std::move(id)](LiveSession& self, Reply<WholeFilePtr> answer) mutable {
    auto prepare = self.running().runtime().whole_output(id);
    if (!prepare) {
      return answer(fail(404, "output_not_found", "no output of this session names '" + text::label(id, 40) + "'",
                         "the notice in the cell has the id of what is kept"));
    }
    const auto& blobs = self.services().runtime->blobs();
    self.services().workers->submit([token = self.at_work(), &loop = self.loop(), prepare = std::move(*prepare),
                                     file = runtime::whole_output_file(blobs.directory(), id),
                                     answer = std::move(answer)]() mutable {
      prepare();
      auto opened = runtime::WholeFile::open(file);
      loop.post([answer = std::move(answer), opened = std::move(opened)]() mutable { answer(std::move(opened)); });
    });
  });
}

void LiveSession::front_end_folders(Reply<std::vector<std::string>> reply) {
  on_reactor(std::move(reply), [](LiveSession& self, Reply<std::vector<std::string>> answer) {
    answer(self.running().runtime().front_end_folders());
  });
}

void LiveSession::front_end_file(std::string path, Reply<std::string> reply) {
  on_reactor(std::move(reply), [path = std::move(path)](LiveSession& self, Reply<std::string> answer) {
    self.running().front_end_file(path, std::move(answer));
  });
}

void LiveSession::trust_changed() {
  const std::scoped_lock lock(info_mutex_);
  info_.needs_trust_approval = trust().needs_approval();
}

void LiveSession::take_file_lease(document::FileLease lease) {
  std::swap(prepared_.notebook.file_lease, lease);
  if (!lease.lease.held()) return;
  services_.workers->submit([old = std::move(lease)]() mutable { old = {}; });  // it has a file to remove
}

bool LiveSession::follow(const std::string& new_path, bool claimed) {
  if (!home_.moved(id_, new_path, claimed)) return false;
  prepared_.notebook.path = new_path;
  {
    const std::scoped_lock lock(info_mutex_);
    info_.path = path();
  }
  running().moved(new_path);
  connections().publish(Op::save_state, saver().state_json());
  publish_summary();  // at once: whoever asked for the new name looks for it in the list next
  prepared_.journal->append({document::Record::meta(std::string(document::meta_key::path), new_path)},
                            [](const Status&) {});
  services_.workers->submit([store = services_.store, notebook = notebook_id(), session = id_,
                             state = prepared_.notebook.state_dir, new_path, move = services_.store->next_move(),
                             token = at_work()] { store->moved(notebook, session, state, new_path, move); });
  return true;
}

void LiveSession::summary_changed() {
  if (std::exchange(summary_due_, true)) return;
  loop_.at_turn_end([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->ended_) return;
    self->summary_due_ = false;
    self->publish_summary();
  });
}

void LiveSession::publish_summary() {
  SessionSummary row;
  row.session_id = id_;
  row.notebook_id = notebook_id();
  row.path = path();
  row.title = std::filesystem::path(path()).filename().string();
  row.format = prepared_.format->id();
  row.runtime = running().runtime().runtime_name();
  if (row.runtime.empty()) row.runtime = prepared_.runtime;
  row.kernel_state = runtime::kernel_state_name(running().runtime().state());
  if (const auto* editor = room_.editor()) row.editor_label = editor->label;
  row.epoch = room_.epoch();
  row.members = room_.members().size();
  row.cell_count = editing().cell_count();
  row.started_ms = started_wall_ms_;
  row.updated_ms = clock::wall_ms();
  row.needs_input = !running().open_inputs().empty();
  row.running = running().runtime().busy();
  row.kernel = running().runtime().figures();
  {
    const std::scoped_lock lock(info_mutex_);
    info_.cell_count = row.cell_count;
  }
  home_.summary(row);
}

void LiveSession::check_idle() {
  if (ending_ || ended_) return;
  const bool used = !room_.members().empty() || running().runtime().busy();
  if (used) return idle_.cancel();
  if (idle_.armed()) return;
  idle_.start(std::chrono::milliseconds(settings_.session_ttl_ms), [this] {
    const bool used_again = !room_.members().empty() || running().runtime().busy();
    if (!used_again) end("EXPIRED", [](Result<bool>) {});
  });
}

void LiveSession::end(std::string reason, Reply<bool> reply) {
  on_reactor(std::move(reply), [reason = std::move(reason)](LiveSession& self, Reply<bool> answer) {
    self.enders_.push_back(std::move(answer));
    if (std::exchange(self.ending_, true)) return;
    self.idle_.cancel();
    self.home_.ending(self.id_);
    std::string data;
    json::Writer(data).begin_object().member("reason", reason).member("in_ms", 0).end_object();
    self.connections().publish(Op::closing, std::move(data));
    self.saver().flush([weak = self.weak_from_this(), reason](Status status) {
      const auto session = weak.lock();
      if (!session) return;
      if (!status) {
        // Nothing is lost: what was acknowledged is in the journal, and the next open finds it there.
        log::warning("session", session->path() + " was not saved before its end: " + status.error().message);
      }
      session->editing().when_durable([weak, reason] {
        if (const auto still = weak.lock()) still->finish_end(reason);
      });
      session->end_when_safe(reason);
    });
  });
}

// A journal that takes nothing keeps nobody here as long as the file has it all. What neither has waits for the disk:
// its authors were told that it is kept.
void LiveSession::end_when_safe(const std::string& reason) {
  if (ended_) return;
  if (editing().refusing() && saver().holds_all()) {
    log::warning("session", path() + " ends with edits that its file has and its journal has not");
    return finish_end(reason);
  }
  idle_.start(end_retry, [this, reason] {
    saver().flush([weak = weak_from_this(), reason](const Status&) {
      if (const auto session = weak.lock()) session->end_when_safe(reason);
    });
  });
}

void LiveSession::finish_end(const std::string& reason) {
  if (std::exchange(ended_, true)) return;
  idle_.cancel();
  if (room_.members().empty()) ledger().left();
  auto all = connections().all();  // a copy: closing may change it
  for (const auto& [id, connection] : all) connection->close(1000, reason);
  auto& kernel = running().runtime();
  const bool goes_on = services_.runtime->kept().host_is_ending() && kernel.leave();
  if (!goes_on) (void)kernel.shutdown();
  auto& notebook = prepared_.notebook;
  const bool file_has_more = editing().refusing() && prepared_.journal->failed() && saver().holds_all() &&
                             notebook.last_known && !notebook.read_only && !notebook.unwritable && !notebook.temporary;
  editing().close();
  outside().close();
  history().close();
  auto let_go = [self = shared_from_this(), reason] {
    self->take_file_lease({});
    auto& left = self->prepared_.notebook;
    left.lease = {};  // the notebook may be opened again from here on
    left.state_lock = {};
    if (reason == "SESSION_ENDED" && !left.temporary) {
      self->services_.workers->submit([store = self->services_.store, path = self->path(), token = self->at_work()] {
        store->session_ended(path);
      });
    }
    self->home_.ended(self->id_, self->counters_);
    auto enders = std::move(self->enders_);
    // In a turn of its own: whoever ended it may still be inside a function of this session.
    self->loop_.post([self, enders = std::move(enders)]() mutable {
      for (auto& answer : enders) answer(true);
    });
  };
  if (!file_has_more) return let_go();
  services_.workers->submit([&loop = loop_, path = path(), saved = *notebook.last_known, dir = notebook.state_dir,
                             token = at_work(), let_go = std::move(let_go)]() mutable {
    prefer_file(path, saved, dir);
    loop.post(std::move(let_go));
  });
}

}  // namespace lectern::session
