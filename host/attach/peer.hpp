// Where another host is, and what proves that it is that one and that we may be there.
#pragma once

#include <string>

#include "presence/record.hpp"

namespace lectern::attach {

struct Peer {
  presence::Endpoint endpoint;  // ws or wss; its address as published, or as it was found to be
  bool same_machine = false;    // the record says so by its hashed machine id: loopback may be dialled
  std::string pin;              // sha256 of the public key its certificate must have, hex; wss only
  std::string token;            // what we show it; empty: it asks for none
};

}  // namespace lectern::attach
