// Files of the served folder: listing them, taking them in and giving them out.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "api/endpoints.hpp"
#include "api/file_entries.hpp"
#include "api/url.hpp"
#include "base/clock.hpp"
#include "base/text.hpp"
#include "document/atomic_file.hpp"
#include "document/notebook_file.hpp"
#include "document/system_file.hpp"
#include "session/preparing.hpp"

namespace lectern::api {
namespace {

Result<json::Value> list_folder(const document::PathPolicy& paths, const document::Formats& formats,
                                const std::string& path) {
  LECTERN_TRY(const auto where, paths.resolve(path));
  LECTERN_TRY(const auto entries, paths.list(path));
  json::Array rows;
  for (const auto& entry : entries) rows.push_back(entry_json(entry, paths, formats));
  json::Value out;
  out.set("path", where.relative);
  out.set("root", paths.root());
  out.set("entries", std::move(rows));
  return out;
}

Result<document::ResolvedPath> plain_path(const document::PathPolicy& paths, const std::string& path) {
  if (path.empty()) return fail(400, "bad_request", "the query has no path", "add ?path=FOLDER/NAME");
  LECTERN_TRY(auto where, paths.resolve(path));
  LECTERN_CHECK(check_shown(where.relative));
  if (where.kind == document::PathKind::folder) {
    return fail(400, "is_a_folder", "\"" + text::label(where.relative, 200) + "\" is a folder", "name a file");
  }
  if (where.kind == document::PathKind::other) {
    return fail(403, "not_a_file", "\"" + text::label(where.relative, 200) + "\" is not a regular file", "name a file");
  }
  return where;
}

// Whatever the bytes are, a browser keeps them and runs nothing of them.
Response attachment(const std::string& name, std::string bytes) {
  Response response;
  response.headers = {{"Content-Type", "application/octet-stream"},
                      {"Content-Disposition", "attachment; filename*=UTF-8''" + percent_encode(name)},
                      {"Cache-Control", "no-store"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Content-Security-Policy", "sandbox; default-src 'none'"}};
  response.shared_body = std::make_shared<const std::string>(std::move(bytes));
  return response;
}

void give_out(const session::SessionPtr& session, Respond respond) {
  session->file([respond = std::move(respond)](Result<session::NotebookBytes> file) mutable {
    respond(file ? attachment(file->name, std::move(file->bytes)) : error_response(file.error()));
  });
}

Status write_upload(const document::ResolvedPath& where, std::string_view bytes, bool overwrite) {
  if (where.kind == document::PathKind::file && overwrite) {
    if (!where.writable) {
      return fail(403, "permission_denied", where.relative + " cannot be written by this server",
                  "choose another name");
    }
    LECTERN_TRY(const auto old, document::open_no_links(where.path, O_RDONLY | O_NONBLOCK));
    struct stat info {};
    if (::fstat(old.get(), &info) != 0) return fail(document::system_error(errno, "replace", where.path));
    const document::Ownership owner{info.st_mode, info.st_uid, info.st_gid};
    LECTERN_TRY(const auto file, document::replace_file(where.path, bytes, 0666, owner));
    return {};
  }
  LECTERN_TRY(const auto file, document::create_file(where.path, bytes, 0666));
  return {};
}

}  // namespace

Outcome Endpoints::files(Call call) {
  auto path = call.request.parameter("path").value_or("");
  return Deferred{[this, path = std::move(path)](Respond respond) mutable {
                    parts_.workers->submit([this, path = std::move(path), respond = std::move(respond)]() mutable {
                      const auto formats = session::load_formats(*parts_.registry);
                      answer(respond, 200, list_folder(*parts_.paths, formats, path));
                    });
                  },
                  call.route->deadline_ms};
}

Outcome Endpoints::download_file(Call call) {
  auto path = call.request.parameter("path").value_or("");
  return Deferred{[this, path = std::move(path)](Respond respond) mutable {
                    parts_.workers->submit([this, path = std::move(path), respond = std::move(respond)]() mutable {
                      const auto where = plain_path(*parts_.paths, path);
                      if (!where) return respond(error_response(where.error()));
                      if (const auto live = session_at(*parts_.directory, where->path)) {
                        return give_out(live, std::move(respond));
                      }
                      auto file = document::read_whole(where->path, document::FileLimits{}.max_bytes);
                      if (!file) return respond(error_response(file.error()));
                      respond(attachment(document::name_of(where->path), std::move(file->bytes)));
                    });
                  },
                  call.route->deadline_ms};
}

Outcome Endpoints::session_file(Call call) {
  auto session = session_of(call);
  if (!session) return error_response(session.error());
  return Deferred{[session = std::move(*session)](Respond respond) mutable { give_out(session, std::move(respond)); },
                  call.route->deadline_ms};
}

Outcome Endpoints::upload_file(Call call) {
  // A body that was forgotten must not empty a file.
  if (call.request.header("Content-Length") == nullptr && call.request.header("Transfer-Encoding") == nullptr) {
    return error_response({411, "length_required", "an upload needs Content-Length or Transfer-Encoding: chunked",
                           "Content-Length: 0 makes an empty file", ""});
  }
  return Deferred{
      [this, request = std::move(call.request)](Respond respond) mutable {
        parts_.workers->submit([this, request = std::move(request), respond = std::move(respond)]() mutable {
          const auto asked = request.parameter("overwrite").value_or("");
          const bool overwrite = asked == "true" || asked == "1";
          const auto where = plain_path(*parts_.paths, request.parameter("path").value_or(""));
          if (!where) return respond(error_response(where.error()));
          // Its people would see cells change under their hands; whoever uploads can see what is there.
          if (session_at(*parts_.directory, where->path)) {
            return respond(error_response({409, "is_open", where->relative + " is open here as a live notebook",
                                           "upload it under another name, or end its session first", ""}));
          }
          // Not held any more when the answer is out: its reader may write there next.
          const auto written = [&]() -> Status {
            LECTERN_TRY(const auto claim, parts_.directory->claim(where->path));
            return write_upload(*where, request.body, overwrite);
          }();
          if (!written) return respond(error_response(written.error()));
          document::FolderEntry entry;
          entry.name = document::name_of(where->path);
          entry.relative = where->relative;
          entry.size = request.body.size();
          entry.modified_ms = clock::wall_ms();
          const auto formats = session::load_formats(*parts_.registry);
          const bool replaced = where->kind == document::PathKind::file;
          respond(json_response(replaced ? 200 : 201, json::write(entry_json(entry, *parts_.paths, formats))));
        });
      },
      call.route->deadline_ms};
}

}  // namespace lectern::api
