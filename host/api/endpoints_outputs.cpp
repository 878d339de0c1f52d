// All that a cell said, as a file of any size: read piece by piece while it is sent, by workers from the disk or, of a
// session that is attached, from the host that has it.
#include <algorithm>

#include "api/byte_range.hpp"
#include "api/endpoints.hpp"
#include "api/strangers.hpp"
#include "api/url.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "runtime/whole_output.hpp"

namespace lectern::api {
namespace {

constexpr std::uint64_t piece_from_disk = 256u << 10;
// Each is a connection of its own, and in memory here until it is sent.
constexpr std::uint64_t piece_from_afar = 4u << 20;
constexpr int piece_deadline_ms = 60'000;
constexpr std::uint64_t error_bytes = 64u << 10;
constexpr ByteRange first_byte{0, 1};

Response whole_response(const Request& request, const std::string& id, std::uint64_t size, std::uint64_t piece_bytes,
                        InPieces::Read read) {
  const auto range = asked_range(request, size);
  if (!range) {
    auto refused = error_response(range.error());
    refused.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
    return refused;
  }
  Response response;
  response.headers = {{"Content-Type", "text/plain; charset=utf-8"},
                      {"Content-Disposition", "attachment; filename=\"output-" + id.substr(0, 8) + ".txt\""},
                      {"Accept-Ranges", "bytes"},
                      {"Cache-Control", "no-store"},  // it grows for as long as its cell runs
                      {"Referrer-Policy", "no-referrer"}};
  for (const auto& [name, value] : strangers_guard) response.headers.emplace_back(name, value);
  if (*range) {
    response.status = 206;
    response.headers.emplace_back("Content-Range", content_range(**range, size));
  }
  response.source = std::make_shared<InPieces>(range->value_or(ByteRange{0, size}), piece_bytes, std::move(read));
  return response;
}

InPieces::Read from_disk(session::WholeFilePtr file, Workers& workers) {
  return [file = std::move(file), &workers](ByteRange piece, InPieces::Done done) {
    workers.submit([file, piece, done = std::move(done)]() mutable {
      done(file->read(piece.first, static_cast<std::size_t>(piece.count)));
    });
  };
}

Forwarded asking_for(Forwarded request, ByteRange range) {
  request.headers.emplace_back("Range", range_header(range));
  request.deadline_ms = piece_deadline_ms;
  request.max_answer = std::max(range.count, error_bytes);
  return request;
}

/// The size of what `answer` has `range` of; nothing when that is not what it is.
std::optional<std::uint64_t> size_of_all(const Response& answer, ByteRange range) {
  if (answer.status != 206 || answer.content().size() != range.count) return std::nullopt;
  for (const auto& [name, value] : answer.headers) {
    if (equal_without_case(name, "Content-Range")) return size_of_ranged(value, range);
  }
  return std::nullopt;
}

/// Looks for the attachment again with each piece: it ends with it, and keeps nothing of it alive.
InPieces::Read from_afar(const Attached& attached, std::string session_id, Forwarded request) {
  return [&attached, session_id = std::move(session_id), request = std::move(request)](ByteRange piece,
                                                                                       InPieces::Done done) {
    auto take = [piece, session_id, done = std::move(done)](Response answer) mutable {
      if (size_of_all(answer, piece)) return done(std::string(answer.content()));
      log::info("api", "an output of session " + session_id + " ends before its byte " + std::to_string(piece.first) +
                           ": its device answered " + std::to_string(answer.status));
      done({});
    };
    if (const auto found = attached.find(session_id))
      return found->forward(asking_for(request, piece), std::move(take));
    take(error_response({404, "session_not_found", "the session is not attached any more", "", ""}));
  };
}

}  // namespace

InPieces::Read Endpoints::while_it_lives(const Call& call, InPieces::Read read) const {
  return [this, principal = call.principal, scope = call.route->scope, read = std::move(read)](
             ByteRange piece, InPieces::Done done) mutable {
    if (lives(principal, scope)) return read(piece, std::move(done));
    log::info("api", "an output ends before its byte " + std::to_string(piece.first) + ": the token of " +
                         text::label(principal, 80) + " was revoked or has expired");
    done({});
  };
}

Outcome Endpoints::whole_output(Call call) {
  auto session = session_of(call);
  if (!session) return error_response(session.error());
  return Deferred{[this, session = std::move(*session), call](Respond respond) mutable {
                    const auto id = call.arguments.at(1);
                    auto answered = [this, id, call = std::move(call),
                                     respond = std::move(respond)](Result<session::WholeFilePtr> file) mutable {
                      if (!file) return respond(error_response(file.error()));
                      const auto size = (*file)->size();
                      auto read = while_it_lives(call, from_disk(std::move(*file), *parts_.workers));
                      respond(whole_response(call.request, id, size, piece_from_disk, std::move(read)));
                    };
                    session->whole_output(id, std::move(answered));
                  },
                  call.route->deadline_ms};
}

/// Its first byte tells how many there are.
Outcome Endpoints::relay_whole_output(Call call, AttachedPtr attached) {
  return Deferred{
      [this, attached = std::move(attached), asked = forwarded(call), call](Respond respond) mutable {
        auto answered = [this, asked, session_id = attached->id(), call = std::move(call),
                         respond = std::move(respond)](Response answer) mutable {
          if (answer.status != 206) return respond(std::move(answer));  // why not, or that there is nothing in it
          const auto size = size_of_all(answer, first_byte);
          if (!size) {
            return respond(error_response({502, "bad_answer",
                                           "the device that has this output did not answer what it was asked for",
                                           "use matching versions of the two hosts", ""}));
          }
          auto read = while_it_lives(call, from_afar(*parts_.attached, std::move(session_id), std::move(asked)));
          respond(whole_response(call.request, call.arguments.at(1), *size, piece_from_afar, std::move(read)));
        };
        attached->forward(asking_for(std::move(asked), first_byte), std::move(answered));
      },
      call.route->deadline_ms};
}

}  // namespace lectern::api
