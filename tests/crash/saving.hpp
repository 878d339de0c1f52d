// What a notebook of the matrix is saved from, by the little host and by the check after its crash.
#pragma once

#include "../support/notebook_formats.hpp"
#include "document/notebook_document.hpp"
#include "document/notebook_store.hpp"

namespace lectern::crash {

inline document::SaveRequest save_request(const document::OpenedNotebook& book,
                                          const document::NotebookDocument& document) {
  document::SaveRequest request;
  request.path = book.path;
  request.format = test::ipynb();
  request.baseline = book.file;
  request.metadata = document.metadata_json();
  request.last_known = book.last_known;
  for (const auto* cell : document.cells()) {
    auto& content = request.cells.emplace_back();
    content.id = cell->id;
    content.cell_type = cell->cell_type;
    content.source = cell->source;
    content.metadata = cell->metadata_json;
  }
  return request;
}

}  // namespace lectern::crash
