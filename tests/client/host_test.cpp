// Sessions with a real host, a real kernel and real sockets.
#include <gmock/gmock.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <fstream>

#include "support.hpp"

namespace lectern::client::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// One host for all tests but those that kill it; each test has a notebook of its own.
class ClientHostTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { host_ = std::make_unique<Host>(); }
  static void TearDownTestSuite() { host_.reset(); }
  void SetUp() override {
    notebook_ = host_->write(std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) + ".ipynb");
  }

  static Options options(const std::string& label = {}, int port = 0) {
    Options out;
    out.url = host_->url(port);
    out.label = label;
    return out;
  }
  Session open(const std::string& label = {}, int port = 0) const {
    return connect_open(notebook_, options(label, port)).value();
  }
  static Status until(Session& session, std::function<bool(const View&)> condition) {
    return session.wait_for(std::move(condition), patience);
  }
  static std::vector<std::string> ids(const Session& session) {
    std::vector<std::string> out;
    for (const auto& cell : session.cells()) out.push_back(cell.id);
    return out;
  }

  static std::unique_ptr<Host> host_;
  std::string notebook_;
};
std::unique_ptr<Host> ClientHostTest::host_;

std::string source(const Session& session, const std::string& cell_id) {
  return session.cell(cell_id).value().source;
}

TEST_F(ClientHostTest, OpensEditsAndReadsBack) {
  auto first = open(), second = open();
  EXPECT_EQ(first.info().protocol, "lectern.v1");
  EXPECT_EQ(first.info().cell_count, 2u);
  EXPECT_THAT(first.info().path, HasSubstr(notebook_));
  EXPECT_THAT(ids(first), ElementsAre("a", "b"));
  EXPECT_TRUE(first.can_edit() && !second.can_edit());
  const auto made = first.create_cell("é😀 = 2", "code", Place::after("a"));
  ASSERT_TRUE(ok(made));
  ASSERT_TRUE(ok(first.set_source("a", "x = 41")));
  ASSERT_TRUE(ok(first.splice(made->id, 1, 1, "ü")));
  ASSERT_TRUE(ok(first.move_cell("b", Place::before("a"))));
  ASSERT_TRUE(ok(first.transaction({change::set_metadata("a", {"tags"}, Json::Array{"t"})})));
  const auto version = first.confirm_sync();
  ASSERT_TRUE(ok(version));
  ASSERT_TRUE(ok(until(second, [&](const View& view) { return view.notebook.version >= *version; })));
  for (auto* session : {&first, &second}) {
    EXPECT_THAT(ids(*session), ElementsAre("b", "a", made->id));
    EXPECT_EQ(source(*session, "a"), "x = 41");
    EXPECT_EQ(source(*session, made->id), "éü = 2");
    EXPECT_EQ(session->cell("a")->metadata["tags"].dump(), R"(["t"])");
  }
  EXPECT_TRUE(ok(first.delete_cell("b")));
  EXPECT_TRUE(ok(first.delete_cell("b"))) << "gone is gone";
  EXPECT_EQ(first.set_source("b", "x").error().code, "dropped");
  EXPECT_EQ(first.cell("b").error().code, "unknown_cell");
  EXPECT_TRUE(ok(first.save()));
  std::ifstream file(host_->folder() / "root" / notebook_);
  const std::string saved(std::istreambuf_iterator<char>(file), {});
  EXPECT_THAT(saved, HasSubstr("x = 41"));
}

TEST_F(ClientHostTest, RunsCodeAndEverybodySeesIt) {
  auto first = open(), second = open();
  const auto run = first.run("print('from', 'here')\n6 * 7", patience);
  ASSERT_TRUE(ok(run));
  EXPECT_TRUE(run->ok());
  EXPECT_EQ(run->cell.text(), "from here\n42");
  EXPECT_EQ(run->cell.execution_count, 1);
  EXPECT_TRUE(ok(until(second, [&](const View& view) {
    const auto* cell = view.notebook.find(run->cell_id);
    return cell != nullptr && cell->text() == "from here\n42";
  })));
  const auto failed = first.run("1 / 0", patience);
  ASSERT_TRUE(ok(failed));
  EXPECT_EQ(failed->status, "error");
  EXPECT_THAT(failed->cell.text(), HasSubstr("ZeroDivisionError"));

  // A question, its answer, and the end of a run that has none.
  const auto asks = first.create_cell("print(input('name? '))\nimport time\nwhile True: time.sleep(0.01)");
  ASSERT_TRUE(ok(asks));
  std::atomic<bool> ended{false};
  first.async_execute({asks->id}, {}, [&](const Result<std::vector<Execution>>& ran) {
    EXPECT_TRUE(ok(ran));
    EXPECT_EQ(ran->front().status, "error");
    EXPECT_THAT(ran->front().cell.text(), HasSubstr("KeyboardInterrupt"));
    ended = true;
  });
  InputRequest question;
  ASSERT_TRUE(ok(until(first, [&](const View& view) {
    if (!view.notebook.inputs.empty()) question = view.notebook.inputs.front();
    return !question.request_id.empty();
  })));
  EXPECT_EQ(question.prompt, "name? ");
  ASSERT_TRUE(ok(first.answer_input(question.request_id, "Ada")));
  ASSERT_TRUE(ok(until(first, [&](const View& view) {
    return view.notebook.inputs.empty() && view.notebook.find(asks->id)->text().find("Ada\n") != std::string::npos;
  })));
  ASSERT_TRUE(ok(first.interrupt()));
  ASSERT_TRUE(ok(until(first, [&](const View&) { return ended.load(); })));
  EXPECT_TRUE(first.execute({"b"}, patience)->empty()) << "text does not run";
  EXPECT_EQ(first.execute({"nowhere"}).error().code, "unknown_cell");

  EXPECT_EQ(first.run("time.sleep(60)", 1ms).error().code, "timeout");

  // Widgets, large outputs, a new kernel.
  ASSERT_TRUE(ok(first.restart()));
  const auto shown = first.run("import ipywidgets\nipywidgets.IntSlider(value=7)", patience);
  ASSERT_TRUE(ok(shown));
  bool slider = false;
  const auto widgets = first.get_widgets().value();
  for (const auto& [id, state] : widgets) {
    const auto value = state.find("value");
    slider = slider || (value != state.end() && value->second.integer() == 7);
  }
  EXPECT_TRUE(slider) << shown->cell.text();
  for (const std::string value : {"one", "two", "three"}) {
    ASSERT_TRUE(ok(first.run(value + " = ipywidgets.Valid(description='" + value + "')", patience)));
    const auto all = first.get_widgets().value();
    ASSERT_FALSE(all.empty());
    const auto& newest = all.back().state;
    ASSERT_TRUE(newest.contains("description")) << value;
    EXPECT_EQ(newest.at("description").text(), value) << "in the order they were opened";
    const auto comms = first.get_comms().value();
    ASSERT_EQ(comms.size(), all.size());
    EXPECT_EQ(comms.back().comm_id, all.back().model_id);
    EXPECT_EQ(comms.back().model.target_name, "jupyter.widget");
    EXPECT_EQ(comms.back().model.state.at("description").text(), value);
    EXPECT_GE(comms.back().model.revision, 1u);
    EXPECT_TRUE(std::is_sorted(comms.begin(), comms.end(),
                               [](const Comm& a, const Comm& b) { return a.model.seq < b.model.seq; }));
  }
  // What we write ourselves nobody tells us: the answer says that it holds.
  const auto newest = first.get_comms().value().back();
  const auto write = Json().set("method", "update").set("state", Json().set("description", "ours"));
  ASSERT_TRUE(ok(first.command("model", Json().set("model_id", newest.comm_id).set("message", write))));
  const auto written = first.get_comms().value().back();
  EXPECT_EQ(written.model.state.at("description").text(), "ours");
  EXPECT_GT(written.model.revision, newest.model.revision);
  EXPECT_EQ(first.run("three.description", patience)->cell.text(), "'ours'");
  EXPECT_EQ(first.get_comms().value().back().model.state.at("description").text(), "ours");
  const auto large = first.run("print('y' * 3_000_000)", patience);
  ASSERT_TRUE(ok(large));
  ASSERT_EQ(large->cell.outputs.size(), 1u);
  if (const auto& text = large->cell.outputs[0]["text"]; text.find("$blob") != nullptr) {
    EXPECT_THAT(first.blob(text).value(), HasSubstr("yyy"));
  } else {
    EXPECT_GE(large->cell.text().size(), 1'000'000u);
  }
}

TEST_F(ClientHostTest, EverybodyWhoWaitsForARunIsTold) {
  auto session = open();
  const auto busy = session.create_cell("input()"), twice = session.create_cell("'done'");
  ASSERT_TRUE(ok(busy));
  ASSERT_TRUE(ok(twice));
  std::atomic<int> ended{0};
  const auto count = [&](const Result<std::vector<Execution>>& ran) {
    EXPECT_TRUE(ok(ran));
    for (const auto& execution : *ran) EXPECT_TRUE(execution.ok());
    ended += static_cast<int>(ran->size());
  };
  // Behind a run that asks the cell only waits: whoever runs it again gets the run that is there.
  session.async_execute({busy->id}, {}, count);
  session.async_execute({twice->id, twice->id}, {}, count);
  session.async_execute({twice->id}, {}, count);
  std::string question;
  ASSERT_TRUE(ok(until(session, [&](const View& view) {
    if (!view.notebook.inputs.empty()) question = view.notebook.inputs.front().request_id;
    return !question.empty();
  })));
  ASSERT_TRUE(ok(session.confirm_sync()));
  EXPECT_EQ(ended, 0);
  ASSERT_TRUE(ok(session.answer_input(question, "go on")));
  EXPECT_TRUE(ok(until(session, [&](const View&) { return ended == 4; })));
}

TEST_F(ClientHostTest, ThePenPassesAndLateEditsAreRefused) {
  auto first = open("one"), second = open("two");
  const auto refused = second.set_source("a", "no");
  EXPECT_EQ(refused.error().code, "read_only");
  EXPECT_EQ(refused.error().status, 403);
  EXPECT_EQ(second.editor()->label, "one");
  EXPECT_EQ(second.takeover().value().epoch, 2u);
  ASSERT_TRUE(ok(until(first, [](const View& view) { return !view.can_edit(); })));
  EXPECT_FALSE(first.epoch());
  EXPECT_TRUE(ok(second.set_source("a", "mine")));
  EXPECT_EQ(first.takeover({{}, 1}).error().code, "stale_epoch");
  ASSERT_TRUE(ok(second.release()));
  ASSERT_TRUE(ok(first.takeover()));
  EXPECT_TRUE(first.can_edit());
}

TEST_F(ClientHostTest, CreatesForARuntimeAndSaysWhyNot) {
  auto made = connect_create({"jupyter/python3", "new.ipynb", {}, {}, {}, false}, options());
  ASSERT_TRUE(ok(made));
  ASSERT_EQ(made->cells().size(), 1u);
  EXPECT_EQ(made->cells()[0].source, "");
  const auto unknown = connect_create({"jupyter/cobol", {}, {}, {}, {}, false}, options());
  EXPECT_EQ(unknown.error().code, "unknown_runtime");
  EXPECT_THAT(unknown.error().text(), HasSubstr("python3"));
  EXPECT_EQ(connect_open("/outside.ipynb", options()).error().code, "outside_root");
  auto wrong = options();
  wrong.token = "wrong";
  EXPECT_EQ(connect_open(notebook_, wrong).error().status, 401);
  wrong.url = "http://127.0.0.1:9/";
  EXPECT_EQ(connect_open(notebook_, wrong).error().code, "unreachable");
}

TEST_F(ClientHostTest, ComesBackAfterACutWithWhatItMissed) {
  Proxy proxy(host_->port());
  auto first = open(), second = open("behind the proxy", proxy.port());
  proxy.cut();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(ok(first.set_source("a", "x = " + std::to_string(i))));
  const auto version = first.confirm_sync().value();
  ASSERT_TRUE(ok(until(second, [&](const View& view) { return view.links == 2 && view.notebook.version >= version; })));
  EXPECT_EQ(source(second, "a"), "x = 19");
  second.read([](const View& view) {
    EXPECT_EQ(view.replay, "gap");
    EXPECT_TRUE(view.resumed);
  });
}

TEST_F(ClientHostTest, AnEditWhoseAnswerWasCutOffIsHereOnceAndIsAnswered) {
  Proxy proxy(host_->port());
  auto editor = open("behind the proxy", proxy.port()), witness = open();
  proxy.hold_back(true);
  std::atomic<int> answered{0};
  std::atomic<int> refused{0};
  for (int i = 0; i < 10; ++i) {
    editor.async_create_cell("n" + std::to_string(i), "code", {},
                             [&](const Result<Cell>& made) { made ? ++answered : ++refused; });
  }
  editor.async_splice("a", 0, 0, "y", {}, [&](const Result<void>& made) { made ? ++answered : ++refused; });
  // The host has them all and has said so, to nobody.
  ASSERT_TRUE(ok(until(witness, [](const View& view) {
    return view.notebook.cells.size() == 12 && view.notebook.find("a")->source == "yx = 1";
  })));
  EXPECT_EQ(answered, 0);
  ASSERT_TRUE(ok(until(editor, [](const View& view) { return view.notebook.cells.size() == 2; })));
  proxy.cut();
  ASSERT_TRUE(ok(until(editor, [&](const View& view) { return view.links == 2 && answered == 11; })));
  ASSERT_TRUE(ok(editor.confirm_sync()));
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(ids(editor), ids(witness));
  EXPECT_EQ(source(editor, "a"), "yx = 1");
  editor.read([](const View& view) { EXPECT_EQ(view.replay, "gap"); });
}

TEST_F(ClientHostTest, CommandsInFlightSurviveCutsAndRunOnce) {
  Proxy proxy(host_->port());
  auto session = open({}, proxy.port());
  std::atomic<int> made{0}, refused{0};
  for (int i = 0; i < 300; ++i) {
    session.async_create_cell("n" + std::to_string(i), "code", {},
                              [&](const Result<Cell>& cell) { cell ? ++made : ++refused; });
    if (i % 100 == 50) proxy.cut();
  }
  ASSERT_TRUE(ok(until(session, [&](const View&) { return made + refused == 300; })));
  EXPECT_EQ(refused, 0);
  ASSERT_TRUE(ok(session.confirm_sync()));
  std::vector<std::string> sources, wanted;
  for (const auto& cell : session.cells()) sources.push_back(cell.source);
  for (int i = 0; i < 300; ++i) wanted.push_back("n" + std::to_string(i));
  sources.erase(sources.begin(), sources.begin() + 2);
  EXPECT_EQ(sources, wanted) << "each once, in their order";
  auto witness = open();
  EXPECT_EQ(ids(witness), ids(session));
}

TEST_F(ClientHostTest, AKilledHostComesBackWithEveryAcknowledgedEditAndTheSameEditor) {
  Host host;
  Options to_it;
  to_it.url = host.url();
  std::vector<Link> told;
  std::mutex mutex;
  to_it.on_link = [&](Link link) {
    const std::lock_guard lock(mutex);
    told.push_back(link);
  };
  {
    auto session = connect_open(host.write(), to_it).value();
    ASSERT_TRUE(ok(session.set_source("a", "kept = True")));
    host.kill();
    host.start();
    ASSERT_TRUE(ok(session.set_source("b", "after")));
    EXPECT_TRUE(session.can_edit());
    EXPECT_EQ(source(session, "a"), "kept = True");
    EXPECT_EQ(source(session, "b"), "after");
    session.read([](const View& view) { EXPECT_EQ(view.replay, "snapshot"); });
  }
  const std::lock_guard lock(mutex);
  EXPECT_THAT(told, ElementsAre(Link::connected, Link::lost, Link::connected, Link::ended));
}

TEST_F(ClientHostTest, AHostThatStaysAwayEndsTheSession) {
  Host host;
  Options to_it;
  to_it.url = host.url();
  to_it.reconnect_for = 200ms;
  auto session = connect_open(host.write(), to_it).value();
  host.kill();
  const auto over = session.wait_for([](const View&) { return false; }, patience);
  EXPECT_EQ(over.error().code, "unreachable");
  EXPECT_EQ(session.set_source("a", "x").error().code, "unreachable");
  EXPECT_EQ(session.ended()->code, "unreachable");
}

TEST_F(ClientHostTest, WhereThePolicyAsksTheEditorIsAsked) {
  Host host({"--policy", "ask-first"});
  Options to_it;
  to_it.url = host.url();
  const auto notebook = host.write();
  auto first = connect_open(notebook, to_it).value(), second = connect_open(notebook, to_it).value();
  std::atomic<int> asked{0};
  const auto hearing = first.subscribe([&](const Event& event) {
    if (event.op != "takeover-request") return;
    const bool allow = ++asked > 1;
    first.async_answer_takeover(static_cast<std::uint64_t>(*event.data["request_id"].integer()), allow,
                                [](const Result<void>& answered) { EXPECT_TRUE(ok(answered)); });
  });
  const auto denied = second.takeover({"please", {}});
  EXPECT_EQ(denied.error().code, "denied");
  const auto granted = second.takeover({"please", {}});
  ASSERT_TRUE(ok(granted));
  EXPECT_TRUE(second.can_edit());
  EXPECT_EQ(second.epoch(), granted->epoch);
  EXPECT_TRUE(ok(second.set_source("a", "mine")));
}

TEST_F(ClientHostTest, CallsBackAndRefusesToWaitOnItsOwnThread) {
  std::atomic<int> step{0};
  std::mutex mutex;
  std::optional<Session> kept;
  auto to_it = options();
  std::vector<std::string> ops;
  to_it.on_event = [&](const Event& event) { ops.push_back(event.op); };  // its thread alone, until the session ended
  async_connect_open(notebook_, to_it, [&](Result<Session> opened) {
    ASSERT_TRUE(ok(opened));
    EXPECT_EQ(opened->confirm_sync().error().code, "would_block");
    EXPECT_EQ(connect_open("x").error().code, "would_block");
    const std::lock_guard lock(mutex);
    kept = std::move(*opened);
    kept->async_set_source("a", "called back", [&](const Result<void>& done) {
      EXPECT_TRUE(ok(done));
      kept->async_confirm_sync([&](const Result<std::uint64_t>& version) {
        EXPECT_TRUE(ok(version));
        step = 1;
      });
    });
  });
  // Whichever of the two is there first: this one is never handed the pen.
  auto looking = options();
  looking.view_only = true;
  auto witness = connect_open(notebook_, looking).value();
  ASSERT_TRUE(ok(until(witness, [](const View& view) { return view.notebook.find("a")->source == "called back"; })));
  const auto end = std::chrono::steady_clock::now() + patience;
  while (step == 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  ASSERT_EQ(step, 1);
  kept.reset();
  EXPECT_EQ(ops.front(), "kernel-ready");
  EXPECT_THAT(ops, ::testing::Contains("notebook-document-transaction"));
}

TEST_F(ClientHostTest, ManyThreadsShareASession) {
  auto session = open();
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&session] {
      for (int i = 0; i < 10; ++i) {
        const auto cell = session.create_cell("c");
        EXPECT_TRUE(ok(cell));
        EXPECT_TRUE(ok(session.set_source(cell->id, "d")));
        EXPECT_TRUE(ok(session.confirm_sync()));
        EXPECT_EQ(session.cell(cell->id)->source, "d");
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(session.cells().size(), 42u);
}

/// A certificate of its own for "localhost", and its key, as PEM files.
void make_certificate(const std::filesystem::path& folder) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  auto* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  auto* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost");
  X509_add_ext(certificate, names, -1);
  X509_EXTENSION_free(names);
  X509_sign(certificate, key, EVP_sha256());
  FILE* file = std::fopen((folder / "cert.pem").c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  file = std::fopen((folder / "key.pem").c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

TEST_F(ClientHostTest, OverTlsOnlyWithACertificateThatIsTrusted) {
  const auto folder = host_->folder() / "tls";
  std::filesystem::create_directories(folder);
  make_certificate(folder);
  Host host({"--tls-cert", (folder / "cert.pem").string(), "--tls-key", (folder / "key.pem").string()});
  const auto notebook = host.write();
  Options to_it;
  to_it.url = host.url();
  const auto untrusted = connect_open(notebook, to_it);
  ASSERT_FALSE(untrusted);
  EXPECT_THAT(untrusted.error().message, HasSubstr("certificate verify failed"));
  to_it.ca_file = (folder / "cert.pem").string();
  auto session = connect_open(notebook, to_it);
  ASSERT_TRUE(ok(session));
  EXPECT_TRUE(ok(session->set_source("a", "over TLS")));
  to_it.ca_file = "/nonexistent.pem";
  EXPECT_EQ(connect_open(notebook, to_it).error().code, "unreachable");
  to_it.ca_file = {};
  to_it.verify_tls = false;
  EXPECT_TRUE(ok(connect_open(notebook, to_it)));
}

}  // namespace
}  // namespace lectern::client::testing
