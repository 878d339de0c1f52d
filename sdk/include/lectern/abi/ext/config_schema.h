/* Extension "config-schema/1", offered by a plugin: what its settings may look like. The host checks settings against it
 * before create, says which one breaks which rule, and shows the schema to people.
 */
#ifndef LECTERN_ABI_EXT_CONFIG_SCHEMA_H
#define LECTERN_ABI_EXT_CONFIG_SCHEMA_H

#include "lectern/abi/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LECTERN_EXT_CONFIG_SCHEMA "config-schema/1"

/* OWNERSHIP: the plugin's, constant, valid until deinit returns. */
typedef struct lectern_config_schema {
  uint32_t struct_size;
  uint32_t reserved;
  /* A JSON Schema of draft 4 for the settings object, at most 64 KiB. `$ref` stays inside it ("#/definitions/..."). Only
   * the keywords that docs/plugins.md lists are taken: a schema with one that would be ignored is refused as a whole, because
   * a rule nobody enforces is worse than none. `title`, `description` and `default` are shown to people. */
  lectern_str schema;
} lectern_config_schema;

#ifdef __cplusplus
}
#endif
#endif
