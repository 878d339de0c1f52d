#include "server.hpp"

#include "frames.hpp"
#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace gateway {
namespace json = lectern::sdk::json;
namespace {

constexpr std::uint64_t max_message = 256u << 20;
constexpr net::Milliseconds silence{10'000};
constexpr std::size_t most_words = 500;

}  // namespace

net::Headers Server::credentials() const {
  const auto token = read_token(place_);
  if (token.empty()) return {};
  return {{"Authorization", "token " + token}};
}

void Server::ask(std::string_view method, const std::string& path, std::string body, net::Milliseconds timeout,
                 std::function<void(net::Answer)> done) const {
  net::Request request{std::string(method), place_.endpoint.base + path, {}, std::move(body), timeout};
  try {
    request.headers = credentials();
  } catch (const lectern::sdk::Failure& failure) {
    return io_.post([done = std::move(done), problem = std::string(failure.what())] { done({0, {}, problem}); });
  }
  net::http(io_, place_.endpoint, std::move(request), std::move(done));
}

std::shared_ptr<net::WebSocket> Server::channels(const std::string& kernel_id, const std::string& session,
                                                 net::WebSocket::Handlers handlers) const {
  net::WebSocket::Settings settings;
  settings.target = place_.endpoint.base + "/api/kernels/" + kernel_id + "/channels?session_id=" + session;
  settings.subprotocol = std::string(v1_protocol);
  settings.connect_timeout = options_.request_timeout;
  settings.silence = silence;
  settings.max_message = max_message;
  try {
    settings.headers = credentials();
  } catch (const lectern::sdk::Failure& failure) {
    io_.post([closed = std::move(handlers.closed), problem = std::string(failure.what())] {
      closed({0, {}, problem});
    });
    return nullptr;
  }
  return net::WebSocket::connect(io_, place_.endpoint, std::move(settings), std::move(handlers));
}

std::string Server::why(const net::Answer& answer) const {
  const auto gateway = "the gateway at " + place_.endpoint.url();
  if (answer.status == 0) return gateway + " cannot be reached: " + answer.problem;
  if (answer.status == 401 || answer.status == 403) {
    return gateway + (place_.token_file.empty() ? " wants a token: name the file that holds it"
                                                : " refuses the token in " + place_.token_file);
  }
  if (answer.status >= 300 && answer.status < 400) {
    return gateway + " sends elsewhere (" + std::to_string(answer.status) + "): its URL is not that of the API";
  }
  auto words = json::text(json::member(answer.body, "message"));
  if (words.empty()) words = json::text(json::member(answer.body, "reason"));
  if (words.size() > most_words) words.resize(most_words);
  return gateway + " answered " + std::to_string(answer.status) + (words.empty() ? "" : ": " + words);
}

}  // namespace gateway
