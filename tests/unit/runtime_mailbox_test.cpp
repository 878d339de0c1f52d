// Where the events of a kernel wait for its session.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "base/loop.hpp"
#include "isolation/flow.hpp"
#include "runtime/hub.hpp"

namespace lectern::runtime {
namespace {

TEST(Mailbox, WhatIsHeldUpInItsOwnProcessHoldsNobodyUpHere) {
  Loop loop("mailbox");
  Mailbox mailbox(loop, [] {});  // nobody takes anything
  const auto flow = std::make_shared<isolation::Flow>([] {});
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 400; ++i) {
    plugin::RuntimeEvent event;
    event.kind = plugin::RuntimeEventKind::stream;
    event.name = "stdout";
    event.text = std::string(i == 0 ? 17u << 20 : 1, '.');
    event.credit = isolation::Credit(flow, event.text.size());
    mailbox.put(std::move(event));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(15)) << "50 ms each is 20 s";
}

}  // namespace
}  // namespace lectern::runtime
