#include "runtime/loaded_outputs.hpp"

#include "base/text.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "runtime/output_text.hpp"

namespace lectern::runtime {
namespace slice = sdk::json;

LoadedOutputs::Look LoadedOutputs::look(BlobStore& blobs, std::size_t blob_over) const {
  Look found;
  if (!slice::valid(json_) || !text::valid_utf8(json_)) return found;
  slice::each_item(json_, [&](std::string_view item) {
    if (!slice::is_object(item)) return true;
    found.shown.push_back(std::make_shared<const std::string>(shrink_output(item, blobs, blob_over, found.named)));
    return true;
  });
  return found;
}

}  // namespace lectern::runtime
