#include "document/notebook_registry.hpp"

#include "base/module.hpp"

namespace lectern::document {

Result<NotebookRegistry::Opened> NotebookRegistry::open(const std::string& file) {
  LECTERN_TRY(void* const found, module_function("lectern-registry.so", "lectern_registry", "registry_missing",
                                                 "the registry of notebooks"));
  return reinterpret_cast<OpenRegistry (*)()>(found)()(file);
}

}  // namespace lectern::document
