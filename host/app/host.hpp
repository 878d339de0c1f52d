// The running host: owns every part and wires them together.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "app/options.hpp"
#include "base/result.hpp"

namespace lectern::app {

class Host {
 public:
  /// [control] Builds the parts and listens. 500 and the parts' own errors; what a missing plugin would do is missing,
  /// the rest runs.
  static Result<std::unique_ptr<Host>> start(ServeOptions options);
  /// [control] shutdown().
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  /// [any] "http://127.0.0.1:8899"
  [[nodiscard]] const std::string& url() const;
  /// [any] The token in force; empty with --no-token.
  [[nodiscard]] const std::string& token() const;
  [[nodiscard]] std::uint16_t port() const;
  /// [control] Tells clients, saves and ends every session, stops every thread. Once.
  void shutdown();

 private:
  Host();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace lectern::app
