// From a worker to a reactor: a checked request becomes a link.
#pragma once

#include <memory>
#include <string>

#include "api/upgrade.hpp"
#include "net/links.hpp"
#include "net/socket_link.hpp"
#include "net/wire.hpp"

namespace lectern::net {

/// A socket on its way.
struct Moving {
  Wire wire;
  std::string leftover;       // bytes read past the head
  std::string websocket_key;  // websocket only
  api::Upgrade upgrade;
  LinkTimes times;
  std::shared_ptr<Links> links;
};

/// [any] The head of an answer without an end.
std::string stream_head(const std::string& content_type);

/// [any] Posts to upgrade.loop: answers 101, then calls `connected` there. The request has passed check_websocket().
void move_to_websocket(Moving moving);
/// [any] Posts to upgrade.loop: answers 200 with the media type and no length, then calls `connected` there.
void move_to_stream(Moving moving);

}  // namespace lectern::net
