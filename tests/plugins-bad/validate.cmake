# What lectern-validate has to find out: plugins that load and work at first sight. Included by CMakeLists.txt.
set(validate_bad "")
foreach(rule two-grants stranger absent remembers endless-ask ignores-answer lost-pen crashes forgets-swap thread any-settings)
  string(TOUPPER ${rule} upper)
  string(REPLACE "-" "_" upper ${upper})
  bad_plugin(rule-${rule} policy rules.cpp DEFINE RULE_${upper})
  list(APPEND validate_bad bad-rule-${rule})
endforeach()
foreach(kind format transport presence)
  string(TOUPPER ${kind} upper)
  bad_plugin(careless-${kind} ${kind} careless.cpp DEFINE KIND_${upper})
  list(APPEND validate_bad bad-careless-${kind})
endforeach()
bad_plugin(deaf policy deaf.c)
list(APPEND validate_bad bad-deaf)

# Not by lectern_add_plugin, which would see to all of it.
add_library(bad-leaky SHARED leaky.cpp)
target_link_libraries(bad-leaky PRIVATE lectern::sdk)
target_compile_definitions(bad-leaky PRIVATE LECTERN_PLUGIN_ID="leaky" LECTERN_PLUGIN_VERSION="2.0.0")
target_link_options(bad-leaky PRIVATE -Wl,-z,lazy,-z,undefs)
set_target_properties(bad-leaky PROPERTIES PREFIX "" OUTPUT_NAME leaky LIBRARY_OUTPUT_DIRECTORY ${bad}/leaky)
file(GENERATE OUTPUT ${bad}/leaky/leaky.plugin.json CONTENT
  "{\"id\": \"leaky\", \"kind\": \"policy\", \"version\": \"1.0.0\", \"abi\": {\"major\": 0, \"minor\": 1}, \"library\": \"leaky.so\", \"unloadable\": true}\n")
list(APPEND validate_bad bad-leaky)
add_dependencies(validate_tests lectern-validate ${validate_bad} bad-sticky bad-garbage bad-wrong-id bad-no-symbol
  bad-throwing-policy bad-hanging bad-throwing-runtime bad-init-fails plugin-local-takeover plugin-collaborative)
