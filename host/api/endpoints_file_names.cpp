// Names in the served folder: folders are made, files and folders get other names, and are deleted.
#include <sys/stat.h>

#include <cerrno>

#include "api/endpoints.hpp"
#include "api/file_entries.hpp"
#include "base/text.hpp"
#include "document/file_names.hpp"
#include "document/system_file.hpp"
#include "session/preparing.hpp"

namespace lectern::api {
namespace {

using document::PathKind;
using document::ResolvedName;

std::string shown(std::string_view relative) {
  return "\"" + text::label(relative, 200) + "\"";
}

Result<ResolvedName> name_at(const Parts& parts, const std::string& path) {
  if (path.empty()) return fail(400, "bad_request", "the path is empty", "name a file or folder inside the root");
  LECTERN_TRY(auto where, parts.paths->resolve_name(path));
  LECTERN_CHECK(check_shown(where.relative));
  if (where.relative.empty()) {
    return fail(403, "is_the_root", "the served folder itself cannot be renamed or deleted", "name something in it");
  }
  if (!document::may_write(document::folder_of(where.path))) {
    return fail(403, "permission_denied",
                "the folder of " + shown(where.relative) + " cannot be written by this server", "choose another place");
  }
  return where;
}

Result<ResolvedName> existing(const Parts& parts, const std::string& path) {
  LECTERN_TRY(auto where, name_at(parts, path));
  if (where.kind == PathKind::missing && !where.link) {
    return fail(404, "not_found", "there is no " + shown(where.relative), "look at GET /api/v1/files");
  }
  if (where.kind == PathKind::other && !where.link) {
    return fail(403, "not_a_file", shown(where.relative) + " is neither a file nor a folder", "name a file or folder");
  }
  return where;
}

Result<ResolvedName> free_name(const Parts& parts, const std::string& path) {
  LECTERN_TRY(auto where, name_at(parts, path));
  if (where.kind == PathKind::missing && !where.link) return where;
  return fail(409, "path_exists", "there is something at " + shown(where.relative) + " already", "choose another name");
}

tl::unexpected<Error> is_open(const session::Session& session, std::string_view relative, std::string_view hint) {
  std::string details;
  json::Writer(details).begin_object().member("session_id", session.id()).end_object();
  return fail(409, "is_open", shown(relative) + " is open here as a live notebook", std::string(hint),
              std::move(details));
}

// Its people would find their file gone by somebody's word about another name. All that are in the way are named: who
// ends their sessions need not ask once for each.
Status nothing_open_in(const Parts& parts, const ResolvedName& folder) {
  std::string details, first;
  std::size_t others = 0;
  json::Writer writer(details);
  for (const auto& session : parts.directory->sessions()) {
    const auto path = session->connection_info().path;
    if (!path.starts_with(folder.path + "/")) continue;
    const auto relative = folder.relative + path.substr(folder.path.size());
    if (first.empty()) {
      first = relative;
      writer.begin_object().member("session_id", session->id()).key("sessions").begin_array();
    } else {
      ++others;
    }
    writer.begin_object().member("session_id", session->id()).member("path", relative).end_object();
  }
  if (first.empty()) return {};
  writer.end_array().end_object();
  if (others == 0) {
    return fail(409, "is_open", shown(first) + " is open here as a live notebook", "end its session first",
                std::move(details));
  }
  return fail(409, "is_open", shown(first) + " and " + std::to_string(others) + " more are open here as live notebooks",
              "end their sessions first", std::move(details));
}

// [worker]
Response entry_response(int status, const Parts& parts, const std::string& relative) {
  const auto target = parts.paths->resolve(relative);
  if (!target) return error_response(target.error());
  struct stat info {};
  if (::lstat(target->path.c_str(), &info) != 0) {
    return error_response(document::system_error(errno, "look at", target->path));
  }
  document::FolderEntry entry;
  entry.name = document::name_of(relative);
  entry.relative = relative;
  entry.kind = target->kind;
  entry.size = static_cast<std::uint64_t>(info.st_size);
  entry.modified_ms = std::int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1'000'000;
  return json_response(status, json::write(entry_json(entry, *parts.paths, session::load_formats(*parts.registry))));
}

session::Reply<bool> answer_with_entry(const Parts& parts, std::string relative, Respond respond) {
  return [&parts, relative = std::move(relative), respond = std::move(respond)](const Result<bool>& done) mutable {
    if (!done) return respond(error_response(done.error()));
    parts.workers->submit([&parts, relative = std::move(relative), respond = std::move(respond)]() mutable {
      respond(entry_response(200, parts, relative));
    });
  };
}

void rename_live(const Parts& parts, const session::SessionPtr& session, const ResolvedName& to,
                 const document::Formats& formats, Respond respond) {
  const auto format = document::format_for_path(to.path, formats);
  if (!format || (*format)->id() != session->connection_info().format) {
    return respond(error_response({409, "other_format",
                                   shown(to.relative) + " is not the name of a notebook of this format, and it is open",
                                   "keep the end of its name, or save it under that name", ""}));
  }
  session->rename_file(to.path, answer_with_entry(parts, to.relative, std::move(respond)));
}

bool same_format(const std::string& from, const std::string& to, const document::Formats& formats) {
  const auto before = document::format_for_path(from, formats);
  const auto after = document::format_for_path(to, formats);
  return before && after ? (*before)->id() == (*after)->id() : before.has_value() == after.has_value();
}

Status rename_closed(const Parts& parts, const ResolvedName& from, const ResolvedName& to,
                     const document::Formats& formats) {
  const auto work = [&] { return document::rename_entry(from.path, to.path); };
  if (from.link) return work();
  LECTERN_TRY(const auto source, parts.directory->claim(from.path));
  LECTERN_TRY(const auto target, parts.directory->claim(to.path));
  return parts.store->rename(from.path, to.path, same_format(from.path, to.path, formats), work);
}

void rename(const Parts& parts, const std::string& from, const std::string& to, Respond respond) {
  const auto source = existing(parts, from);
  if (!source) return respond(error_response(source.error()));
  const auto target = free_name(parts, to);
  if (!target) return respond(error_response(target.error()));
  if (!source->link && source->kind == PathKind::folder) {
    return parts.directory->rename_folder(source->path, target->path,
                                          answer_with_entry(parts, target->relative, std::move(respond)));
  }
  const auto formats = session::load_formats(*parts.registry);
  if (const auto session = source->link ? nullptr : session_at(*parts.directory, source->path)) {
    return rename_live(parts, session, *target, formats, std::move(respond));
  }
  const auto renamed = rename_closed(parts, *source, *target, formats);
  respond(renamed ? entry_response(200, parts, target->relative) : error_response(renamed.error()));
}

Status may_go(const std::string& path, std::string_view relative) {
  if (document::may_write(path)) return {};
  return fail(403, "permission_denied", shown(relative) + " is write-protected",
              "give it the right to be written first");
}

// Everything is looked at before the first of it goes.
Status remove_with_contents(const Parts& parts, const ResolvedName& folder) {
  const auto relative = [&](const std::string& path) { return folder.relative + path.substr(folder.path.size()); };
  LECTERN_TRY(const auto contents, document::contents_of(folder.path));
  if (!contents.hidden.empty()) {
    return fail(403, "hidden_file",
                shown(relative(contents.hidden)) + " is hidden, and what is hidden is not deleted here",
                "delete what is listed, or the folder by other means");
  }
  for (const auto& file : contents.files) {
    LECTERN_CHECK(may_go(file.path, relative(file.path)));
    LECTERN_CHECK(parts.store->check_closed(file.device, file.inode, file.path));
  }
  LECTERN_CHECK(document::remove_folder(folder.path));
  parts.store->folder_removed(folder.path);
  return {};
}

Status remove(const Parts& parts, const std::string& path, bool recursive) {
  LECTERN_TRY(const auto where, existing(parts, path));
  const auto work = [&] { return document::remove_entry(where.path); };
  if (where.link) return work();
  if (where.kind == PathKind::folder) {
    LECTERN_CHECK(nothing_open_in(parts, where));
    return recursive ? remove_with_contents(parts, where) : work();
  }
  if (const auto session = session_at(*parts.directory, where.path)) {
    return is_open(*session, where.relative, "end its session first");
  }
  LECTERN_CHECK(may_go(where.path, where.relative));
  LECTERN_TRY(const auto claim, parts.directory->claim(where.path));
  return parts.store->remove(where.path, work);
}

}  // namespace

Outcome Endpoints::make_folder(Call call) {
  auto body = body_object(call.request);
  if (!body) return error_response(body.error());
  auto path = json::Fields(*body, "body").string("path");
  if (!path) return error_response(path.error());
  return Deferred{[this, path = std::move(*path)](Respond respond) mutable {
                    parts_.workers->submit([this, path = std::move(path), respond = std::move(respond)]() mutable {
                      const auto where = free_name(parts_, path);
                      if (!where) return respond(error_response(where.error()));
                      const auto made = document::make_folder(where->path);
                      respond(made ? entry_response(201, parts_, where->relative) : error_response(made.error()));
                    });
                  },
                  call.route->deadline_ms};
}

Outcome Endpoints::rename_file(Call call) {
  auto body = body_object(call.request);
  if (!body) return error_response(body.error());
  const json::Fields fields(*body, "body");
  auto from = fields.string("from");
  if (!from) return error_response(from.error());
  auto to = fields.string("to");
  if (!to) return error_response(to.error());
  return Deferred{[this, from = std::move(*from), to = std::move(*to)](Respond respond) mutable {
                    parts_.workers->submit(
                        [this, from = std::move(from), to = std::move(to), respond = std::move(respond)]() mutable {
                          rename(parts_, from, to, std::move(respond));
                        });
                  },
                  call.route->deadline_ms};
}

Outcome Endpoints::delete_file(Call call) {
  const auto asked = call.request.parameter("recursive").value_or("");
  const bool recursive = asked == "true" || asked == "1";
  auto path = call.request.parameter("path").value_or("");
  return Deferred{
      [this, path = std::move(path), recursive](Respond respond) mutable {
        parts_.workers->submit([this, path = std::move(path), recursive, respond = std::move(respond)]() mutable {
          const auto removed = remove(parts_, path, recursive);
          if (!removed) return respond(error_response(removed.error()));
          Response done;
          done.status = 204;
          respond(std::move(done));
        });
      },
      call.route->deadline_ms};
}

}  // namespace lectern::api
