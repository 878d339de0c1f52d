// The text of one nbformat output: its large values moved into blobs for showing, and brought back for saving. Works on
// the text by slices, so that numbers and unknown members come out as they went in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/blobs.hpp"

namespace lectern::runtime {

/// [any] True for media types whose nbformat value is base64: images but SVG, audio, video, fonts, most of
/// application/.
bool is_binary_media(std::string_view media_type);
/// [any] True for application/json and …+json, whose value is JSON rather than text.
bool is_json_media(std::string_view media_type);

/// [any] `output` with lists of lines joined and every mime value over `limit` bytes replaced by
/// {"$blob":sha256,"size","media_type"}. The blobs' names are added to `names`, and the ids of what was kept whole.
/// `output` must be valid JSON.
std::string shrink_output(std::string_view output, BlobStore& blobs, std::size_t limit,
                          std::vector<std::string>& names);

/// [worker] The inverse, in the shape nbformat 4 writes: blobs inlined, text as lists of lines. The errors of
/// BlobStore::get.
Result<std::string> output_for_file(std::string_view shown, const BlobStore& blobs);

/// [any] A stream output. `text` must be valid UTF-8.
std::string stream_output(std::string_view name, std::string_view text);

}  // namespace lectern::runtime
