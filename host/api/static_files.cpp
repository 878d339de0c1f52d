#include "api/static_files.hpp"

#include <array>
#include <fstream>
#include <utility>

#include "api/url.hpp"
#include "base/text.hpp"

namespace lectern::api {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view page_csp =
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: "
    "blob:; connect-src 'self'; frame-ancestors 'none'; object-src 'none'; base-uri 'none'; form-action 'self'";
// Outputs are strangers' HTML: an opaque origin, no network, no host API; the page hands over the content.
constexpr std::string_view output_frame_csp =
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; media-src data: blob:; frame-ancestors 'self'";
// The same for widgets, whose modules and workers are blobs that the page hands over as text.
constexpr std::string_view widget_frame_csp =
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:; worker-src blob:; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data: blob:; frame-ancestors 'self'";

constexpr std::array<std::pair<std::string_view, std::string_view>, 20> media_types = {{
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json; charset=utf-8"},
    {".map", "application/json; charset=utf-8"},
    {".webmanifest", "application/manifest+json"},
    {".wasm", "application/wasm"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".gif", "image/gif"},
    {".webp", "image/webp"},
    {".ico", "image/x-icon"},
    {".woff", "font/woff"},
    {".woff2", "font/woff2"},
    {".ttf", "font/ttf"},
    {".otf", "font/otf"},
    {".txt", "text/plain; charset=utf-8"},
    {".xml", "application/xml"},
}};

bool has_extension(std::string_view path) {
  const auto name = path.substr(path.rfind('/') + 1);
  return name.find('.') != std::string_view::npos;
}

// A relative path inside the folder, or empty: no "..", no hidden files, no NUL, no packed twin of another file.
std::string inside(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (part.empty()) continue;
    if (part.front() == '.' || part.find('\0') != std::string_view::npos || part.ends_with(".gz")) return {};
    if (!out.empty()) out += '/';
    out += part;
  }
  return out;
}

std::string page(std::string_view title, std::string_view body) {
  std::string out =
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>Lectern</title><style>body{font:16px/1.5 system-ui,"
      "sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}input{font:inherit;width:100%;"
      "box-sizing:border-box;margin:.5rem 0}button{font:inherit}</style><h1>";
  out += title;
  out += "</h1>";
  out += body;
  return out;
}

Response html(int status, std::string body) {
  Response response;
  response.status = status;
  response.headers = {{"Content-Type", "text/html; charset=utf-8"}, {"Cache-Control", "no-store"}};
  response.body = std::move(body);
  add_page_headers(response);
  return response;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

bool takes_gzip(const Request& request) {
  const auto* accepted = request.header("Accept-Encoding");
  if (accepted == nullptr) return false;
  const auto at = accepted->find("gzip");
  return at != std::string::npos && accepted->compare(at, 8, "gzip;q=0") != 0;
}

Result<std::string> read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes;
  if (file) {
    std::error_code error;
    bytes.resize(fs::file_size(path, error));
    if (!error && file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) return bytes;
  }
  return fail(404, "not_found", "the page's file '" + path.filename().string() + "' cannot be read");
}

}  // namespace

std::string_view media_type(std::string_view path) {
  const auto dot = path.rfind('.');
  if (dot != std::string_view::npos) {
    for (const auto& [extension, type] : media_types) {
      if (path.substr(dot) == extension) return type;
    }
  }
  return "application/octet-stream";
}

void add_page_headers(Response& response) {
  response.headers.emplace_back("Content-Security-Policy", page_csp);
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
}

bool StaticFiles::page_route(std::string_view path) {
  return !has_extension(path) || path == "/index.html";
}

Result<Response> StaticFiles::get(std::string_view path, const Request& request) const {
  const bool page_file = page_route(path);
  const auto relative = page_file ? std::string("index.html") : inside(path);
  const auto full = folder_ / relative;
  std::error_code error;
  const auto missing = [&] { return fail(404, "not_found", "there is nothing at '" + text::label(path, 200) + "'"); };
  if (relative.empty()) return missing();
  if (!fs::is_regular_file(full, error)) {
    if (!page_file) return missing();
    return html(503, page("The page is not built",
                          "<p>The server and its API work, but the page's files are not where the server looks for "
                          "them. Build <code>host/web</code> or start with <code>--web-dir</code>.</p>"));
  }
  // The web folder is the operator's, but a symlink in it must not become a door to the rest of the disk.
  const auto root = fs::canonical(folder_, error);
  const auto real = error ? fs::path() : fs::canonical(full, error);
  if (error || real.lexically_relative(root).native().substr(0, 2) == "..") return missing();

  const bool hashed = relative.compare(0, 7, "assets/") == 0;
  const auto size = fs::file_size(real, error);
  const auto changed = fs::last_write_time(real, error).time_since_epoch().count();
  const auto etag = "\"" + std::to_string(changed) + "-" + std::to_string(size) + "\"";
  Response response;
  response.headers = {{"Content-Type", std::string(media_type(relative))},
                      {"Cache-Control", hashed ? "public, max-age=31536000, immutable" : "no-cache"},
                      {"ETag", etag}};
  if (relative == "output-frame.html" || relative == "widget-frame.html") {
    response.headers.emplace_back("Content-Security-Policy",
                                  relative == "widget-frame.html" ? widget_frame_csp : output_frame_csp);
    response.headers.emplace_back("X-Content-Type-Options", "nosniff");
    response.headers.emplace_back("Referrer-Policy", "no-referrer");
  } else {
    add_page_headers(response);
  }
  if (const auto* known = request.header("If-None-Match"); known && names_etag(*known, etag)) {
    response.status = 304;
    return response;
  }
  response.headers.emplace_back("Vary", "Accept-Encoding");
  // The page's build puts `file.gz` beside what compresses well; 3.6 MB of wasm become 1.1.
  if (const auto packed = fs::path(real) += ".gz"; takes_gzip(request) && fs::is_regular_file(packed, error)) {
    response.headers.emplace_back("Content-Encoding", "gzip");
    LECTERN_TRY(response.body, read(packed));
    return response;
  }
  LECTERN_TRY(response.body, read(real));
  return response;
}

Response token_page(const Error& error) {
  // The API's words name headers; a person needs the link.
  const auto why = error.code == "unauthorized" ? "" : "<p>" + escaped(error.message) + ".</p>";
  return html(error.status, page("This server needs its token",
                                 why + "<p>Open the link the server printed at its start, or type its token. A link "
                                       "from an earlier start does not work any more.</p><form method=\"get\"><input "
                                       "name=\"token\" type=\"password\" placeholder=\"Token\" autocomplete=\"off\" "
                                       "autofocus required><button>Open</button></form>"));
}

Response onward_page(std::string_view target) {
  auto response = html(
      200, "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0;url=" + escaped(target) +
               "\"><title>Lectern</title><a href=\"" + escaped(target) + "\">Open Lectern</a>");
  return response;
}

}  // namespace lectern::api
