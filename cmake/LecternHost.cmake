# What every host library shares: warnings as errors, the libraries it may use, sanitizers, a faster build.
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
# As archives: a shared library costs its tables at each start, and of program_options' 420 kB resident a tenth is ours.
set(Boost_USE_STATIC_LIBS ON)
find_package(Boost 1.74 REQUIRED COMPONENTS system filesystem program_options)
find_package(Poco 1.11 REQUIRED COMPONENTS Foundation Net NetSSL Crypto Util)
find_program(LECTERN_CCACHE ccache)
if(LECTERN_CCACHE)
  # What one clone compiled serves the next one, wherever it lies; debug information names the first one's folder then.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=pch_defines,time_macros ${LECTERN_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
endif()
find_program(LECTERN_LLD ld.lld)
if(LECTERN_LLD)
  # What runs once and what hardly ever runs apart from the rest: pages of the program come in by 64 kB, and initialisers
  # strewn over all of it brought in 0.7 MB more.
  add_link_options(-fuse-ld=lld -Wl,-z,keep-text-section-prefix -Wl,--gc-sections)
endif()

# Poco's CMake targets pull in libraries nothing of ours calls; each costs start time and resident memory.
add_link_options(-Wl,--as-needed)

# The sanitizer builds compile several files of libraries and plugins as one: most of their time goes into reading the same
# headers again. Who names two things in two anonymous namespaces of one folder alike is told by them. host/app and
# host/isolation are left out, and the tests of presence: each file there is a thing of its own, with names that are
# rightly alike.
option(LECTERN_UNITY "compile several files of a library as one" OFF)
add_library(lectern_warnings INTERFACE)
target_compile_options(lectern_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees an overlap in every inlined std::string + at -O2 (GCC bug 105651), and Asio's fences under TSan are a
  # warning there and nothing else.
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(lectern_warnings INTERFACE -Wno-restrict)
  endif()
  # What these say depends on what was inlined, and is often wrong in GCC 12. They are shown, and fail no newcomer's build.
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    foreach(guess maybe-uninitialized array-bounds stringop-overflow stringop-overread use-after-free free-nonheap-object
                  dangling-pointer null-dereference nonnull)
      target_compile_options(lectern_warnings INTERFACE -Wno-error=${guess})
    endforeach()
  endif()
  if(LECTERN_UNITY)  # true of one file, not of several
    target_compile_options(lectern_warnings INTERFACE -Wno-shadow -Wno-subobject-linkage)
  endif()
  if(LECTERN_SANITIZE MATCHES "thread")
    target_compile_options(lectern_warnings INTERFACE -Wno-tsan)
  endif()
endif()

if(LECTERN_SANITIZE)
  add_compile_options(-fsanitize=${LECTERN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${LECTERN_SANITIZE} -Wl,--compress-debug-sections=zlib)
  if(LECTERN_SANITIZE MATCHES "undefined")
    # UBSan describes each place it checks by addresses, millions of them: a program that is to be relocated carries 90 MB for
    # that, and spends 50 ms on it at each of a thousand starts.
    add_link_options($<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-no-pie>)
  endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-fstack-protector-strong)
  add_compile_definitions(_FORTIFY_SOURCE=2 _GLIBCXX_ASSERTIONS)
endif()

# Third-party headers are SYSTEM so that their warnings are not ours (Poco 1.11 under C++20 warns).
add_library(lectern_boost INTERFACE)
target_include_directories(lectern_boost SYSTEM INTERFACE ${Boost_INCLUDE_DIRS})
target_compile_definitions(lectern_boost INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_BIND_GLOBAL_PLACEHOLDERS)

# lectern_host_library(<folder> [DEPENDS lib...]): host/<folder>/*.cpp become lectern_<folder>.
function(lectern_host_library folder)
  cmake_parse_arguments(ARG "" "" "DEPENDS;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  if(NOT sources)
    add_library(lectern_${folder} INTERFACE)
    target_link_libraries(lectern_${folder} INTERFACE ${ARG_DEPENDS})
    target_include_directories(lectern_${folder} INTERFACE ${PROJECT_SOURCE_DIR}/host)
    return()
  endif()
  add_library(lectern_${folder} STATIC ${sources})
  target_include_directories(lectern_${folder} PUBLIC ${PROJECT_SOURCE_DIR}/host)
  target_link_libraries(lectern_${folder} PUBLIC ${ARG_DEPENDS} Threads::Threads PRIVATE lectern_warnings ${ARG_PRIVATE})
  if(LECTERN_UNITY)
    set_target_properties(lectern_${folder} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()
