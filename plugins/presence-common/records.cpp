#include "records.hpp"

#include <algorithm>
#include <utility>

#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace presence_common {
namespace json = lectern::sdk::json;
using lectern::sdk::Failure;

lectern::sdk::Health Trouble::health() const {
  const std::scoped_lock lock(mutex_);
  return text_.empty() ? lectern::sdk::Health::ok() : lectern::sdk::Health::degraded(text_);
}

void Trouble::set(std::string text) {
  const std::scoped_lock lock(mutex_);
  text_ = std::move(text);
}

bool is_id(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
  });
}

void check_ids(std::string_view device_id, std::string_view instance_id) {
  if (!is_id(device_id) || !is_id(instance_id)) {
    throw Failure(LECTERN_INVALID, "device and instance ids are 1 to 64 of a-z 0-9 - _").code("bad_id");
  }
}

void check_size(std::string_view record) {
  if (record.size() > max_record_bytes) {
    throw Failure(LECTERN_TOO_LARGE, "a record of " + std::to_string(record.size()) + " bytes; at most 256 KiB");
  }
}

std::string misplaced(std::string_view record, std::string_view device_id, std::string_view instance_id) {
  if (json::text(json::member(record, "device_id")) == device_id &&
      json::text(json::member(record, "instance_id")) == instance_id) {
    return {};
  }
  return "its device_id or instance_id is not that of its place";
}

}  // namespace presence_common
