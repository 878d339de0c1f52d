#include "document/content_sum.hpp"

// Its state on our own heap.
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "base/text.hpp"

namespace lectern::document {
namespace {

std::string to_hex(XXH128_hash_t sum) {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, sum);
  return text::to_hex({reinterpret_cast<const char*>(bytes.digest), sizeof bytes.digest});
}

}  // namespace

struct ContentSum::State {
  XXH3_state_t of;
};

ContentSum::ContentSum() : state_(std::make_unique<State>()) {
  begin();
}
ContentSum::~ContentSum() = default;

void ContentSum::begin() {
  XXH3_128bits_reset(&state_->of);
}

void ContentSum::update(std::string_view piece) {
  XXH3_128bits_update(&state_->of, piece.data(), piece.size());
}

std::string ContentSum::hex() const {
  return to_hex(XXH3_128bits_digest(&state_->of));
}

std::string sum_of(std::string_view content) {
  return to_hex(XXH3_128bits(content.data(), content.size()));
}

}  // namespace lectern::document
