// Where the gateways are and how they are spoken to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net.hpp"

namespace gateway {

struct Place {
  net::Endpoint endpoint;
  std::string token_file;  // empty: none
};

struct Options {
  std::vector<Place> places;
  net::Milliseconds request_timeout{10'000};  // of one answer
  net::Milliseconds start_timeout{60'000};    // until a kernel is up; a cluster may have to make room first
};

/// Throws lectern::sdk::Failure that names the wrong setting.
Options read_options(std::string_view config);

/// The token of a place, read anew so that it can be renewed while kernels run; empty when there is none to give.
/// Throws lectern::sdk::Failure naming the file.
std::string read_token(const Place& place);

extern const std::string_view options_schema;

}  // namespace gateway
