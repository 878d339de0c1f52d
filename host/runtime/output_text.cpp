#include "runtime/output_text.hpp"

#include "base/json.hpp"
#include "base/text.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "runtime/whole_output.hpp"

namespace lectern::runtime {
namespace slice = sdk::json;
namespace {

/// What a mime value or a stream's text says: a string, or a list of strings joined. Empty optional for anything else.
std::optional<std::string> joined_text(std::string_view value) {
  std::string out;
  if (slice::is_string(value)) return slice::append_text(value, out) ? std::optional(std::move(out)) : std::nullopt;
  if (!slice::is_array(value)) return std::nullopt;
  bool strings = true;
  slice::each_item(value, [&](std::string_view item) { return strings = slice::append_text(item, out); });
  return strings ? std::optional(std::move(out)) : std::nullopt;
}

void strip_line_breaks(std::string& text) {
  std::erase_if(text, [](char c) { return c == '\n' || c == '\r'; });
}

/// What goes into the blob for a mime value; empty optional when the value has to stay where it is.
std::optional<std::string> blob_bytes(std::string_view media_type, std::string_view value) {
  if (is_json_media(media_type)) return std::string(value);
  auto text = joined_text(value);
  if (!text || !is_binary_media(media_type)) return text;
  strip_line_breaks(*text);
  return text::from_base64(*text);
}

/// True for an object with a "$blob", however that is spelled.
bool names_blob(std::string_view value) {
  bool found = false;
  if (slice::is_object(value)) {
    slice::each_member(value, [&](std::string_view key, std::string_view) {
      found = slice::text(key) == "$blob";
      return !found;
    });
  }
  return found;
}

void write_blob(std::string& out, const BlobRef& blob) {
  json::Writer(out)
      .begin_object()
      .member("$blob", std::string_view(blob.sha256))
      .member("size", blob.size)
      .member("media_type", std::string_view(blob.media_type))
      .end_object();
}

/// Copies an object member by member; `write(key, value, out)` writes each value.
template <class Write>
void rewrite(std::string_view object, std::string& out, Write&& write) {
  out += '{';
  bool first = true;
  slice::each_member(object, [&](std::string_view key, std::string_view value) {
    if (!first) out += ',';
    first = false;
    out.append(key) += ':';
    write(slice::text(key), value, out);
    return true;
  });
  out += '}';
}

void write_lines(std::string_view text, std::string& out) {
  out += '[';
  for (std::size_t from = 0; from < text.size();) {
    const auto newline = text.find('\n', from);
    const auto to = newline == std::string_view::npos ? text.size() : newline + 1;
    if (from != 0) out += ',';
    json::write_string(text.substr(from, to - from), out);
    from = to;
  }
  out += ']';
}

Result<std::string> inlined(std::string_view media_type, std::string_view sha256, const BlobStore& blobs) {
  LECTERN_TRY(const auto blob, blobs.get(sha256));
  if (is_json_media(media_type)) return *blob.bytes;
  std::string out;
  if (is_binary_media(media_type)) {
    json::write_string(text::to_base64(*blob.bytes), out);
  } else {
    write_lines(*blob.bytes, out);
  }
  return out;
}

void write_shown_value(std::string_view value, std::string& out) {
  if (slice::is_array(value)) {
    if (const auto text = joined_text(value)) return json::write_string(*text, out);
  }
  out.append(value);
}

}  // namespace

bool is_binary_media(std::string_view type) {
  if (is_json_media(type)) return false;
  const auto starts = [&](std::string_view prefix) { return type.starts_with(prefix); };
  if (starts("image/")) return !starts("image/svg+xml");
  if (starts("audio/") || starts("video/") || starts("font/")) return true;
  if (!starts("application/")) return false;
  const auto rest = type.substr(12);
  for (const auto text_like : {"javascript", "ecmascript", "xml", "sql", "graphql", "x-latex", "x-tex", "x-python"}) {
    if (rest == text_like) return false;
  }
  return !rest.ends_with("+xml") && !rest.starts_with("vnd.jupyter.") && !rest.starts_with("vnd.holoviews");
}

bool is_json_media(std::string_view type) {
  const auto bare = type.substr(0, type.find(';'));
  return bare == "application/json" || bare.ends_with("+json");
}

std::string shrink_output(std::string_view output, BlobStore& blobs, std::size_t limit,
                          std::vector<std::string>& names) {
  const auto write_mime = [&](std::string_view media_type, std::string_view value, std::string& out) {
    // What looks like one of our references and is none must never be taken for one: not by viewers, not by a save.
    const bool impostor = names_blob(value);
    if (impostor && !is_json_media(media_type)) return json::write_string(value, out);
    if (value.size() > limit || impostor) {
      if (auto bytes = blob_bytes(media_type, value)) {
        const auto blob = blobs.put(std::move(*bytes), std::string(media_type));
        names.push_back(blob.sha256);
        return write_blob(out, blob);
      }
    }
    if (media_type == whole_output_type && slice::is_object(value)) {
      if (auto id = slice::text(slice::member(value, "id")); is_whole_output_id(id)) names.push_back(std::move(id));
    }
    if (is_json_media(media_type)) {
      out.append(value);
    } else {
      write_shown_value(value, out);
    }
  };
  std::string out;
  out.reserve(std::min(output.size(), limit) + 256);
  rewrite(output, out, [&](std::string_view key, std::string_view value, std::string& to) {
    if (key == "data" && slice::is_object(value)) {
      rewrite(value, to, write_mime);
    } else if (key == "text") {
      write_shown_value(value, to);
    } else {
      to.append(value);
    }
  });
  return out;
}

Result<std::string> output_for_file(std::string_view shown, const BlobStore& blobs) {
  Status problem;
  const auto write_mime = [&](std::string_view media_type, std::string_view value, std::string& out) {
    if (slice::is_object(value)) {
      const auto sha256 = slice::text(slice::member(value, "$blob"));
      if (!sha256.empty()) {
        if (auto text = inlined(media_type, sha256, blobs)) {
          out += *text;
        } else {
          problem = fail(text.error());
        }
        return;
      }
    }
    if (slice::is_string(value) && !is_json_media(media_type) && !is_binary_media(media_type)) {
      return write_lines(slice::text(value), out);
    }
    out.append(value);
  };
  std::string out;
  out.reserve(shown.size() + 64);
  rewrite(shown, out, [&](std::string_view key, std::string_view value, std::string& to) {
    if (key == "data" && slice::is_object(value)) {
      rewrite(value, to, write_mime);
    } else if (key == "text" && slice::is_string(value)) {
      write_lines(slice::text(value), to);
    } else {
      to.append(value);
    }
  });
  if (!problem) return fail(problem.error());
  return out;
}

std::string stream_output(std::string_view name, std::string_view text) {
  std::string out = R"({"output_type":"stream","name":")" + std::string(name) + R"(","text":)";
  json::write_string(text, out);
  return out += '}';
}

}  // namespace lectern::runtime
