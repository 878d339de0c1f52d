// The JavaScript of widgets, from the environment of the session's own kernel.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "api/endpoints.hpp"
#include "api/url.hpp"
#include "base/crypto.hpp"
#include "base/text.hpp"
#include "document/path_policy.hpp"

namespace lectern::api {
namespace fs = std::filesystem;
namespace {

constexpr std::uintmax_t largest = 64u << 20;

Error no_such(const std::string& path) {
  return {404, "not_found", "the kernel's environment has no nbextensions file '" + text::label(path, 200) + "'",
          "the package of the widget has to be installed where the kernel runs", ""};
}

Result<std::string> bytes_of(const std::string& path, const std::string& asked) {
  std::error_code problem;
  const auto size = fs::file_size(path, problem);
  if (problem) return fail(no_such(asked));
  if (size > largest) {
    return fail(413, "too_large",
                "'" + text::label(asked, 200) + "' is larger than " + std::to_string(largest) + " bytes");
  }
  std::ifstream file(path, std::ios::binary);
  std::string bytes(size, '\0');
  if (file && (size == 0 || file.read(bytes.data(), static_cast<std::streamsize>(size)))) return bytes;
  return fail(no_such(asked));
}

// Of the first folder that has it. Links may not lead out of `nbextensions`.
Result<std::string> find(const std::vector<std::string>& folders, const std::string& asked) {
  for (const auto& folder : folders) {
    auto policy = document::PathPolicy::create(folder + "/nbextensions");
    if (!policy) continue;
    const auto where = policy->resolve(asked);
    if (!where) {
      if (where.error().status != 404) return fail(where.error());
      continue;
    }
    if (where->kind == document::PathKind::file) return where->path;
  }
  return fail(no_such(asked));
}

Response headed(const std::string& path, const std::string& etag) {
  Response response;
  response.headers = {
      {"Content-Type", std::string(media_type(path))},
      {"Cache-Control", "private, no-cache"},
      {"ETag", etag},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      // Navigated to directly it is a stranger's file still; and no page may run it as its own script.
      {"Content-Security-Policy", "sandbox; default-src 'none'"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
  };
  return response;
}

Response answer_bytes(std::string bytes, const std::string& asked, const std::string& known) {
  const auto etag = "\"" + crypto::sha256_hex(bytes).substr(0, 32) + "\"";
  auto response = headed(asked, etag);
  if (names_etag(known, etag)) {
    response.status = 304;
  } else {
    response.body = std::move(bytes);
  }
  return response;
}

Response answer_file(const std::vector<std::string>& folders, const std::string& asked, const std::string& known) {
  const auto path = find(folders, asked);
  if (!path) return error_response(path.error());
  std::error_code problem;
  const auto changed = fs::last_write_time(*path, problem).time_since_epoch().count();
  const auto etag = "\"" + std::to_string(changed) + "-" + std::to_string(fs::file_size(*path, problem)) + "\"";
  auto response = headed(*path, etag);
  if (names_etag(known, etag)) {
    response.status = 304;
    return response;
  }
  auto bytes = bytes_of(*path, asked);
  if (!bytes) return error_response(bytes.error());
  response.body = std::move(*bytes);
  return response;
}

/// Its environment is on another machine.
void ask_kernel(session::Session& session, const std::string& path, const std::string& known, Respond respond) {
  session.front_end_file(path, [path, known, respond = std::move(respond)](Result<std::string> bytes) mutable {
    respond(bytes ? answer_bytes(std::move(*bytes), path, known) : error_response(bytes.error()));
  });
}

}  // namespace

Outcome Endpoints::nbextension(Call call) {
  auto found = session_of(call);
  if (!found) return error_response(found.error());
  auto path = call.request.parameter("path").value_or("");
  if (path.empty() || path.front() == '/') {
    return error_response(
        {400, "bad_request", "the query parameter path must be relative, as bqplot/index.js", "", ""});
  }
  const auto* header = call.request.header("If-None-Match");
  return Deferred{[this, session = *found, path = std::move(path),
                   known = header != nullptr ? *header : std::string()](Respond respond) mutable {
                    session->front_end_folders([this, session, path = std::move(path), known = std::move(known),
                                                respond = std::move(respond)](auto folders) mutable {
                      if (!folders) return respond(error_response(folders.error()));
                      if (folders->empty()) return ask_kernel(*session, path, known, std::move(respond));
                      parts_.workers->submit(
                          [path = std::move(path), known = std::move(known), folders = std::move(*folders),
                           respond = std::move(respond)]() mutable { respond(answer_file(folders, path, known)); });
                    });
                  },
                  call.route->deadline_ms};
}

}  // namespace lectern::api
