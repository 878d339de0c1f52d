# Which plugins are the host's own: their hashes are on own-plugins.sha256 beside them, in the build tree as in the
# installation, and the host runs them in its own process. lectern_add_plugin() calls this for each.
include_guard(GLOBAL)
set(LECTERN_OWN_PLUGIN_SCRIPT ${PROJECT_SOURCE_DIR}/cmake/own-plugin.cmake CACHE INTERNAL "")

function(lectern_own_plugin target id)
  add_custom_command(TARGET ${target} POST_BUILD
    COMMAND ${CMAKE_COMMAND} -DLIST=${CMAKE_BINARY_DIR}/plugins/own-plugins.sha256 -DLIBRARY=$<TARGET_FILE:${target}>
            -DID=${id} -DLOCK=${CMAKE_BINARY_DIR}/own-plugins.lock -P ${LECTERN_OWN_PLUGIN_SCRIPT} VERBATIM)
  # What is installed may have been stripped on the way: it is hashed where it ends up.
  install(CODE "
    set(root \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/lectern/plugins\")
    execute_process(COMMAND \"${CMAKE_COMMAND}\" \"-DLIST=\${root}/own-plugins.sha256\"
      \"-DLIBRARY=\${root}/${id}/${id}.so\" -DID=${id} \"-DLOCK=${CMAKE_BINARY_DIR}/own-plugins.lock\" -P \"${LECTERN_OWN_PLUGIN_SCRIPT}\" COMMAND_ERROR_IS_FATAL ANY)"
    COMPONENT plugins)
endfunction()
