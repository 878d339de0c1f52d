#include "session/settled_replies.hpp"

#include <array>
#include <cstring>
#include <functional>
#include <utility>

#include "base/deflate.hpp"

namespace lectern::session {
namespace {

constexpr std::size_t block_bytes = 4u << 10;
constexpr std::size_t largest_deflated = 64u << 10;  // a block with a large reply in it would hold up the reactor

// A record: its head, then the texts that the head gives the sizes of: the id, and of a success its json, of an error
// its code, message, hint and details.
constexpr std::size_t texts = 5;
struct Head {
  std::array<std::uint32_t, texts> sizes;
  std::uint16_t status;
  std::uint16_t failed;
};

Head head_of(std::string_view records) {
  Head head;
  std::memcpy(&head, records.data(), sizeof head);
  return head;
}

std::size_t size_of(const Head& head) {
  std::size_t size = sizeof head;
  for (const auto text : head.sizes) size += text;
  return size;
}

std::array<std::string_view, texts> texts_of(std::string_view id, const Result<CommandReply>& reply) {
  if (reply) return {id, reply->json, {}, {}, {}};
  const auto& error = reply.error();
  return {id, error.code, error.message, error.hint, error.details};
}

Result<CommandReply> reply_of(std::string_view record) {
  const auto head = head_of(record);
  record.remove_prefix(sizeof head + head.sizes[0]);
  const auto text = [&](std::size_t number) {
    const auto found = record.substr(0, head.sizes[number]);
    record.remove_prefix(found.size());
    return std::string(found);
  };
  if (head.failed == 0) return CommandReply{head.status, text(1)};
  Error error;
  error.status = head.status;
  error.code = text(1);
  error.message = text(2);
  error.hint = text(3);
  error.details = text(4);
  return fail(std::move(error));
}

}  // namespace

void SettledReplies::begin_block() {
  if (!blocks_.empty()) {
    auto& full = blocks_.back();
    if (full.bytes.size() <= largest_deflated) {
      full.deflated_from = full.bytes.size();
      full.bytes = deflated(full.bytes);
    } else {
      full.bytes.shrink_to_fit();
    }
  }
  blocks_.emplace_back();
}

void SettledReplies::add(std::string_view id, const Result<CommandReply>& reply) {
  if (blocks_.empty() || blocks_.back().bytes.size() >= block_bytes) begin_block();
  const auto all = texts_of(id, reply);
  Head head{};
  for (std::size_t i = 0; i < texts; ++i) head.sizes[i] = static_cast<std::uint32_t>(all[i].size());
  head.status = static_cast<std::uint16_t>(reply ? reply->status : reply.error().status);
  head.failed = reply ? 0 : 1;
  auto& block = blocks_.back();
  block.bytes.append(reinterpret_cast<const char*>(&head), sizeof head);
  for (const auto text : all) block.bytes += text;
  ++block.count;
  sums_.push_back(std::hash<std::string_view>()(id));
}

void SettledReplies::pop_front() {
  sums_.erase(sums_.begin());
  if (++gone_ < blocks_.front().count) return;
  blocks_.erase(blocks_.begin());
  gone_ = 0;
}

std::optional<Result<CommandReply>> SettledReplies::find(std::string_view id) const {
  const auto sum = std::hash<std::string_view>()(id);
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    if (sums_[i] != sum) continue;
    if (auto reply = read(i, id)) return reply;
  }
  return std::nullopt;
}

std::optional<Result<CommandReply>> SettledReplies::read(std::size_t number, std::string_view id) const {
  number += gone_;
  auto block = blocks_.begin();
  for (; number >= block->count; ++block) number -= block->count;
  const auto inflated_text = block->deflated_from == 0 ? std::string() : inflated(block->bytes, block->deflated_from);
  std::string_view records = block->deflated_from == 0 ? block->bytes : inflated_text;
  for (; number > 0; --number) records.remove_prefix(size_of(head_of(records)));
  if (records.substr(sizeof(Head), head_of(records).sizes[0]) != id) return std::nullopt;
  return reply_of(records);
}

}  // namespace lectern::session
