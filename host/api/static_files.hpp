// The page's files: served from one folder, never from outside it, with the headers that keep the page in its sandbox.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "api/http.hpp"

namespace lectern::api {

class StaticFiles {
 public:
  /// `folder` holds index.html and assets/; it may be missing: then the page says so and the API works.
  explicit StaticFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// [worker] The file for `path`, index.html for a page route (a path without an extension), 404 `not_found` else.
  [[nodiscard]] Result<Response> get(std::string_view path, const Request& request) const;
  /// [any] True when the path is a route of the page: what a person navigates to and what needs the token.
  [[nodiscard]] static bool page_route(std::string_view path);

 private:
  std::filesystem::path folder_;
};

/// [any] Media type by file extension; "application/octet-stream" when unknown.
std::string_view media_type(std::string_view path);
/// [any] What a person sees who comes without the token: a form for it. 401.
Response token_page(const Error& error);
/// [any] Sends the browser on to `target` from a page of ours: after a link on another site, SameSite=Strict cookies
/// would not be sent along a plain redirect.
Response onward_page(std::string_view target);
/// [any] The headers every page carries.
void add_page_headers(Response& response);

}  // namespace lectern::api
