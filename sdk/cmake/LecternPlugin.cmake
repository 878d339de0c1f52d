# lectern_add_plugin(<id> KIND <kind> SOURCES <file>...
#                    [NAME <for people>] [VERSION <1.2.3>] [DESCRIPTION <text>] [LICENSE <spdx>]
#                    [LINK <library>...] [RESIDENT] [OPTIONAL] [TARGET <cmake target>]
#                    [OUTPUT_DIRECTORY <folder>] [NO_INSTALL]
#                    [NO_VALIDATE] [VALIDATE_CONFIG <json>])
#
# Builds one plugin as ${CMAKE_BINARY_DIR}/plugins/<id>/<id>.so with its manifest <id>.plugin.json beside it, and installs
# both to lib/lectern/plugins/<id>/ (component "plugins"). The target is called plugin-<id> unless TARGET says otherwise;
# OUTPUT_DIRECTORY takes the place of ${CMAKE_BINARY_DIR}/plugins.
#
# KIND      policy, transport, format, presence or runtime
# RESIDENT  the library must stay in memory once loaded: say it when a library you link keeps threads, exit handlers or
#           thread-local destructors behind
# OPTIONAL  a host may go without it
#
# Where the build has tests and lectern-validate is a target or on the PATH, a test validate-<id> runs it on the library
# with the settings VALIDATE_CONFIG, in which {work} is a fresh folder; NO_VALIDATE leaves that out.
include_guard(GLOBAL)

function(_lectern_json_string out text)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REGEX REPLACE "[\r\n\t]" " " text "${text}")
  set(${out} "\"${text}\"" PARENT_SCOPE)
endfunction()

# At the end of the whole project: lectern-validate may be a target that is made later, and a test that is added before
# enable_testing() would be lost.
function(_lectern_add_validation id target config)
  if(NOT CMAKE_TESTING_ENABLED)
    return()
  endif()
  if(TARGET lectern-validate)
    set(program $<TARGET_FILE:lectern-validate>)
  else()
    find_program(LECTERN_VALIDATE lectern-validate)
    if(NOT LECTERN_VALIDATE)
      return()
    endif()
    set(program ${LECTERN_VALIDATE})
  endif()
  set(arguments --quick)
  if(config)
    list(APPEND arguments --config ${config})
  endif()
  add_test(NAME validate-${id} COMMAND ${program} $<TARGET_FILE:${target}> ${arguments})
  set_tests_properties(validate-${id} PROPERTIES LABELS validate TIMEOUT 300)
endfunction()

function(lectern_add_plugin id)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "RESIDENT;OPTIONAL;NO_INSTALL;NO_VALIDATE" "KIND;NAME;VERSION;DESCRIPTION;LICENSE;TARGET;OUTPUT_DIRECTORY;VALIDATE_CONFIG" "SOURCES;LINK")
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "lectern_add_plugin(${id}): what is ${ARG_UNPARSED_ARGUMENTS}?")
  endif()
  if(NOT id MATCHES "^[a-z0-9][a-z0-9-]*$")
    message(FATAL_ERROR "lectern_add_plugin: the id \"${id}\" must be lower-case letters, digits and dashes")
  endif()
  set(kinds policy transport format presence runtime)
  if(NOT ARG_KIND IN_LIST kinds)
    message(FATAL_ERROR "lectern_add_plugin(${id}): KIND must be one of ${kinds}, not \"${ARG_KIND}\"")
  endif()
  if(NOT ARG_SOURCES)
    message(FATAL_ERROR "lectern_add_plugin(${id}): SOURCES is missing")
  endif()
  if(NOT ARG_VERSION)
    set(ARG_VERSION 0.1.0)
  endif()
  if(NOT ARG_NAME)
    set(ARG_NAME ${id})
  endif()
  if(NOT ARG_TARGET)
    set(ARG_TARGET plugin-${id})
  endif()
  if(NOT ARG_OUTPUT_DIRECTORY)
    set(ARG_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
  endif()
  set(folder ${ARG_OUTPUT_DIRECTORY}/${id})

  add_library(${ARG_TARGET} MODULE ${ARG_SOURCES})
  # A project of C files alone has no C++ compiler that could be asked for C++20.
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  if("CXX" IN_LIST languages)
    target_link_libraries(${ARG_TARGET} PRIVATE LecternSDK::sdk ${ARG_LINK})
  else()
    target_link_libraries(${ARG_TARGET} PRIVATE LecternSDK::abi ${ARG_LINK})
  endif()
  target_compile_definitions(${ARG_TARGET} PRIVATE LECTERN_PLUGIN_ID="${id}" LECTERN_PLUGIN_VERSION="${ARG_VERSION}")
  # One symbol leaves the library, and nothing in it is unique to the process: two generations of a plugin must be able
  # to live side by side, and a default-visibility template static alone would keep a library from ever unloading.
  set_target_properties(${ARG_TARGET} PROPERTIES
    PREFIX "" SUFFIX ".so" OUTPUT_NAME ${id} NO_SONAME ON
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH ""
    LIBRARY_OUTPUT_DIRECTORY ${folder} RUNTIME_OUTPUT_DIRECTORY ${folder})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${ARG_TARGET} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-gnu-unique>)
  endif()
  set(map ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map)
  target_link_options(${ARG_TARGET} PRIVATE -Wl,--version-script=${map} -Wl,-z,now -Wl,-z,relro)
  set_property(TARGET ${ARG_TARGET} APPEND PROPERTY LINK_DEPENDS ${map})
  # A sanitizer's runtime lives in the host, so its symbols are undefined here.
  set(sanitized FALSE)
  if(LECTERN_SANITIZE OR "${CMAKE_CXX_FLAGS} ${CMAKE_C_FLAGS} ${CMAKE_MODULE_LINKER_FLAGS}" MATCHES "-fsanitize=")
    set(sanitized TRUE)
  endif()
  if(NOT sanitized)
    target_link_options(${ARG_TARGET} PRIVATE -Wl,-z,defs)
  endif()

  if(ARG_RESIDENT)
    set(unloadable false)
  else()
    set(unloadable true)
  endif()
  if(ARG_OPTIONAL)
    set(optional true)
  else()
    set(optional false)
  endif()
  foreach(field NAME VERSION DESCRIPTION LICENSE)
    _lectern_json_string(json_${field} "${ARG_${field}}")
  endforeach()
  set(manifest "{
  \"manifest\": 1,
  \"id\": \"${id}\",
  \"kind\": \"${ARG_KIND}\",
  \"name\": ${json_NAME},
  \"version\": ${json_VERSION},
  \"description\": ${json_DESCRIPTION},
  \"license\": ${json_LICENSE},
  \"abi\": { \"major\": ${LECTERN_ABI_MAJOR}, \"minor\": ${LECTERN_ABI_MINOR} },
  \"library\": \"${id}.so\",
  \"unloadable\": ${unloadable},
  \"optional\": ${optional}
}
")
  file(GENERATE OUTPUT ${folder}/${id}.plugin.json CONTENT "${manifest}")

  # What a sanitizer adds to a library (symbols, handlers) is what the validator complains of.
  if(NOT ARG_NO_VALIDATE AND NOT sanitized)
    cmake_language(EVAL CODE
      "cmake_language(DEFER DIRECTORY [[${CMAKE_SOURCE_DIR}]] CALL _lectern_add_validation [[${id}]] [[${ARG_TARGET}]] [==[${ARG_VALIDATE_CONFIG}]==])")
  endif()

  if(ARG_NO_INSTALL)
    return()
  endif()
  set(destination lib/lectern/plugins/${id}) # where a host looks: ../lib/lectern/plugins from its own binary
  install(TARGETS ${ARG_TARGET} LIBRARY DESTINATION ${destination} COMPONENT plugins)
  install(FILES ${folder}/${id}.plugin.json DESTINATION ${destination} COMPONENT plugins)
  # A build that bundles plugins with a host keeps a list of them (cmake/LecternOwnPlugins.cmake of Lectern).
  if(LECTERN_OWN_PLUGINS AND COMMAND lectern_own_plugin)
    lectern_own_plugin(${ARG_TARGET} ${id})
  endif()
endfunction()
