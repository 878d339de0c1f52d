# cmake -DREADELF=<readelf> -DPROGRAM=<file> -DALLOWED=<library;...> -P linked-libraries.cmake: fails when the program needs a library that
# is not on the list. Every library costs each process that maps it resident memory (docs/decisions/0031-idle-memory.md).
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND "${READELF}" --dynamic --wide "${PROGRAM}" OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "\\(NEEDED\\)[^\n]*\\[[^]\n]+\\]" lines "${text}")
if(NOT lines)
  message(FATAL_ERROR "${PROGRAM} names no library at all: this test reads it wrongly")
endif()
foreach(line IN LISTS lines)
  string(REGEX REPLACE ".*\\[(.*)\\]" "\\1" library "${line}")
  string(REGEX REPLACE "\\.so.*" "" name "${library}")
  # What sanitizers bring is in no program that anybody runs.
  if(NOT name IN_LIST ALLOWED AND NOT name MATCHES "^lib(asan|ubsan|tsan)$")
    message(SEND_ERROR "${PROGRAM} links ${library}, which every running host would keep in memory. Put what needs it "
      "into a program or a module of its own, as lectern-tls.so is (host/base/module.hpp), or add it in tests/CMakeLists.txt.")
  endif()
endforeach()
