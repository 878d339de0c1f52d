// A kernel that costs next to nothing: Jupyter's protocol, and behind it a few words instead of a language. What a host
// costs under load shows only in front of such a one. Started by the kernelspecs that lectern-load writes.
//   lectern-stub-kernel CONNECTION_FILE
// Code it knows (anything else prints nothing):
//   tick          prints "tick-N.", N rising by one with each run
//   lines N       prints N lines, "line 0" and so on, each in a message of its own
//   block N       prints N bytes in one message
//   model         makes a widget model "slider"
//   moved         prints how many messages the model got, and the last one's data
#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace {

namespace json = lectern::json;
constexpr const char* delimiter = "<IDS|MSG>";

struct Request {
  std::vector<std::string> identities;
  std::string header, type;
  json::Value content;
};

std::string in_quotes(std::string_view text) {
  std::string out;
  json::write_string(text, out);
  return out;
}

std::string stream(std::string_view text) {
  return "{\"name\":\"stdout\",\"text\":" + in_quotes(text) + "}";
}

class Kernel {
 public:
  explicit Kernel(const json::Value& connection)
      : key_(*connection.find("key")->as_string()), address_("tcp://" + *connection.find("ip")->as_string() + ":") {
    bind(shell_, connection, "shell_port");
    bind(control_, connection, "control_port");
    bind(input_, connection, "stdin_port");
    bind(iopub_, connection, "iopub_port");
    bind(heartbeat_, connection, "hb_port");
  }

  void run() {
    std::array<zmq::pollitem_t, 3> items{{{shell_.handle(), 0, ZMQ_POLLIN, 0},
                                          {control_.handle(), 0, ZMQ_POLLIN, 0},
                                          {heartbeat_.handle(), 0, ZMQ_POLLIN, 0}}};
    while (!ended_) {
      zmq::poll(items.data(), items.size(), std::chrono::milliseconds(-1));
      if ((items[1].revents & ZMQ_POLLIN) != 0) serve(control_);
      if ((items[0].revents & ZMQ_POLLIN) != 0) serve(shell_);
      zmq::message_t ping;
      if ((items[2].revents & ZMQ_POLLIN) != 0 && heartbeat_.recv(ping)) heartbeat_.send(ping, zmq::send_flags::none);
    }
  }

 private:
  void bind(zmq::socket_t& socket, const json::Value& connection, const char* port) {
    socket.set(zmq::sockopt::linger, 500);
    socket.set(zmq::sockopt::sndhwm, 0);  // nothing is lost on this side: what is missing, the host lost
    socket.bind(address_ + connection.find(port)->as_number()->text);
  }

  void serve(zmq::socket_t& socket) {
    std::vector<std::string> frames;
    for (bool more = true; more;) {
      zmq::message_t frame;
      if (!socket.recv(frame)) return;
      more = frame.more();
      frames.push_back(frame.to_string());
    }
    std::size_t at = 0;
    while (at < frames.size() && frames[at] != delimiter) ++at;
    if (at + 6 > frames.size()) return;
    const auto header = json::parse(frames[at + 2]);
    auto content = json::parse(frames[at + 5], {.bytes = 64u << 20});
    if (!header || !content) return;
    Request request{{frames.begin(), frames.begin() + static_cast<std::ptrdiff_t>(at)},
                    frames[at + 2],
                    *header->find("msg_type")->as_string(),
                    std::move(*content)};
    publish(request, "status", R"({"execution_state":"busy"})");
    answer(socket, request);
    publish(request, "status", R"({"execution_state":"idle"})");
  }

  void answer(zmq::socket_t& socket, const Request& request) {
    if (request.type == "kernel_info_request") {
      reply(socket, request, "kernel_info_reply",
            R"({"status":"ok","protocol_version":"5.3","implementation":"stub","implementation_version":"1",)"
            R"("banner":"","help_links":[],"language_info":{"name":"none","version":"1","mimetype":"text/plain",)"
            R"("file_extension":".txt"}})");
    } else if (request.type == "execute_request") {
      const auto count = std::to_string(++count_);
      const auto& code = *request.content.find("code")->as_string();
      publish(request, "execute_input", "{\"code\":" + in_quotes(code) + ",\"execution_count\":" + count + "}");
      execute(request, code);
      reply(socket, request, "execute_reply",
            "{\"status\":\"ok\",\"execution_count\":" + count + ",\"user_expressions\":{},\"payload\":[]}");
    } else if (request.type == "comm_msg") {
      ++moves_;
      last_move_ = json::write(*request.content.find("data"));
    } else if (request.type == "shutdown_request") {
      reply(socket, request, "shutdown_reply", R"({"status":"ok","restart":false})");
      ended_ = true;
    }
  }

  void execute(const Request& request, const std::string& code) {
    const auto space = code.find(' ');
    const auto word = code.substr(0, space);
    const long number = space == std::string::npos ? 0 : std::atol(code.c_str() + space);
    if (word == "tick") {
      publish(request, "stream", stream("tick-" + std::to_string(ticks_++) + "."));
    } else if (word == "lines") {
      for (long i = 0; i < number; ++i) publish(request, "stream", stream("line " + std::to_string(i) + "\n"));
    } else if (word == "block") {
      publish(request, "stream", stream(std::string(static_cast<std::size_t>(number), 'x')));
    } else if (word == "model") {
      publish(request, "comm_open",
              R"({"comm_id":"slider","target_name":"jupyter.widget","data":{"state":{"_model_module":)"
              R"("@jupyter-widgets/controls","_model_name":"IntSliderModel","value":0},"buffer_paths":[]}})");
    } else if (word == "moved") {
      publish(request, "stream", stream("moved " + std::to_string(moves_) + " " + last_move_ + "."));
    }
  }

  void publish(const Request& request, const std::string& type, const std::string& content) {
    send(iopub_, {}, request, type, content);
  }
  void reply(zmq::socket_t& socket, const Request& request, const std::string& type, const std::string& content) {
    send(socket, request.identities, request, type, content);
  }

  void send(zmq::socket_t& socket, const std::vector<std::string>& identities, const Request& request,
            const std::string& type, const std::string& content) {
    const auto header = "{\"msg_id\":\"stub-" + std::to_string(next_++) +
                        "\",\"session\":\"stub\",\"username\":\"kernel\",\"date\":\"2026-01-01T00:00:00Z\"," +
                        "\"msg_type\":\"" + type + "\",\"version\":\"5.3\"}";
    const auto signature =
        lectern::text::to_hex(lectern::crypto::hmac_sha256(key_, header + request.header + "{}" + content));
    for (const auto& identity : identities) socket.send(zmq::buffer(identity), zmq::send_flags::sndmore);
    if (identities.empty()) socket.send(zmq::buffer(type), zmq::send_flags::sndmore);
    const std::array<std::string_view, 5> parts{delimiter, signature, header, request.header, "{}"};
    for (const auto part : parts) socket.send(zmq::buffer(part), zmq::send_flags::sndmore);
    socket.send(zmq::buffer(content), zmq::send_flags::none);
  }

  zmq::context_t context_{1};
  zmq::socket_t shell_{context_, zmq::socket_type::router};
  zmq::socket_t control_{context_, zmq::socket_type::router};
  zmq::socket_t input_{context_, zmq::socket_type::router};
  zmq::socket_t iopub_{context_, zmq::socket_type::pub};
  zmq::socket_t heartbeat_{context_, zmq::socket_type::rep};
  std::string key_, address_, last_move_ = "null";
  std::uint64_t next_ = 0, count_ = 0, ticks_ = 0, moves_ = 0;
  bool ended_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::ifstream file(argv[1]);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto connection = json::parse(text);
  if (!connection) return 2;
  Kernel(*connection).run();
}
