# One folder below src/ is one static library. Its folder name is its name everywhere: `format/json`.
#
#   sluice_library(<folder> LAYER <n> SOURCES a.cc …
#     [DEPS <folder> …]       sluice folders of a lower layer, whose headers this one includes
#     [LIBS <target> …]       third-party targets (cmake/Dependencies.cmake); Arrow::arrow and fmt::fmt are always there
#     [TESTS a_test.cc …]     one gtest executable, <folder with _>_test, run by ctest with the label `unit`
#     [TEST_DEPS <folder> …]  more folders only the tests use
#     [TEST_LIBS <target> …]  more third-party targets only the tests use
#     [ALONE a.cc …]          of SOURCES: compiled each by itself (other flags, other instruction sets)
#     [THREADED]              its tests start threads: TSan runs these, and only these
#     [SHARDS n]              its tests wait a lot: ctest runs them as so many processes
#     [NOPCH])                compile without the precompiled header
#   sluice_app(SOURCES main.cc … DEPS <folder> … [LIBS …])   the executable build/sluice
#   sluice_fuzz(<name> SOURCES a.cc … [DEPS …] [LIBS …])     a libFuzzer executable in <build>/fuzz/

# The libraries' folders, relative to the executable, first as built and then as installed.
function(sluice_set_rpath target output_directory)
  set(runpath)
  foreach(folder .deps/arrow/lib .deps/duckdb)
    file(RELATIVE_PATH relative "${output_directory}" "${PROJECT_SOURCE_DIR}/${folder}")
    list(APPEND runpath "$ORIGIN/${relative}")
  endforeach()
  set_target_properties(${target} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${output_directory}"
    BUILD_WITH_INSTALL_RPATH ON
    INSTALL_RPATH "${runpath};$ORIGIN/../lib/sluice")
endfunction()

function(sluice_target_name result folder)
  string(REPLACE "/" "_" name "${folder}")
  set(${result} "sluice_${name}" PARENT_SCOPE)
endfunction()

# Leaves out listed files that do not exist yet, so that an unfinished folder does not stop everybody's build;
# tools/tidy refuses them. The glob configures again once they appear.
function(sluice_existing result)
  set(existing)
  foreach(file IN LISTS ARGN)
    file(GLOB found CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
    if(found)
      list(APPEND existing "${file}")
    else()
      message(WARNING "not there yet, left out: ${CMAKE_CURRENT_SOURCE_DIR}/${file}")
    endif()
  endforeach()
  set(${result} "${existing}" PARENT_SCOPE)
endfunction()

function(sluice_link target visibility)
  foreach(folder IN LISTS ARGN)
    sluice_target_name(dependency "${folder}")
    target_link_libraries(${target} ${visibility} ${dependency})
    set_property(GLOBAL APPEND PROPERTY SLUICE_EDGES "${target}|${dependency}")
  endforeach()
endfunction()

# The headers that cost most to parse, compiled once for the product and once, with GoogleTest, for the tests. A file
# still has to include what it uses: `tools/lint FILE` compiles without this. Targets share it, so nothing may change the
# macros these headers see. Measured with g++ 12, one core: 5 s per precompiled header; then a file with Arrow takes
# 1.6 s instead of 2.8 s and its test 2.0 s instead of 3.6 s. A second clone in another folder gets all of it from ccache.
function(sluice_precompile target)
  add_library(${target} STATIC EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/cmake/pch.cc")
  target_link_libraries(${target} PUBLIC Arrow::arrow fmt::fmt PRIVATE sluice_warnings)
  if(NOT SLUICE_PCH)
    return()
  endif()
  target_precompile_headers(${target} PRIVATE ${ARGN})
endfunction()
set(sluice_heavy_headers
  <arrow/api.h> <fmt/format.h>
  <algorithm> <chrono> <functional> <map> <memory> <optional> <span> <string> <string_view> <unordered_map> <variant>
  <vector>)
sluice_precompile(sluice_pch ${sluice_heavy_headers})
sluice_precompile(sluice_test_pch ${sluice_heavy_headers} <gmock/gmock.h> <gtest/gtest.h>)
target_link_libraries(sluice_test_pch PUBLIC GTest::gmock)

function(sluice_compile target)
  target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${target} PUBLIC Arrow::arrow fmt::fmt PRIVATE sluice_warnings)
endfunction()

function(sluice_use_pch target pch)
  if(SLUICE_PCH)
    target_precompile_headers(${target} REUSE_FROM ${pch})
  endif()
endfunction()

# Several files of a folder are compiled as one, because what they share costs more than what they hold: measured with
# g++ 12, the 20 files of flow take 108 CPU s one by one and 32 s as one. So what a file defines for itself needs a name
# that no other file of its folder has. The units name their files below src/, so every clone gets them from ccache.
# SLUICE_UNITY=OFF compiles each file by itself. Sets `result` to what to compile instead of `sources`.
function(sluice_unite result name folder)
  list(LENGTH ARGN count)
  if(NOT SLUICE_UNITY OR count LESS 2)
    set(${result} ${ARGN} PARENT_SCOPE)
    return()
  endif()
  set(units)
  math(EXPR last "(${count} - 1) / ${SLUICE_UNITY}")
  foreach(number RANGE ${last})
    math(EXPR first "${count} * ${number} / (${last} + 1)")
    math(EXPR share "${count} * (${number} + 1) / (${last} + 1) - ${first}")
    list(SUBLIST ARGN ${first} ${share} united)
    list(TRANSFORM united REPLACE "(.+)" "#include \"${folder}/\\1\"\n")
    string(JOIN "" lines ${united})
    set(unit "${CMAKE_CURRENT_BINARY_DIR}/united/${name}_${number}.cc")
    file(CONFIGURE OUTPUT "${unit}" CONTENT "${lines}")
    list(APPEND units "${unit}")
  endforeach()
  set(${result} ${units} PARENT_SCOPE)
endfunction()

add_custom_target(threaded_tests)

function(sluice_library folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NOPCH;THREADED" "LAYER;SHARDS" "SOURCES;ALONE;DEPS;LIBS;TESTS;TEST_DEPS;TEST_LIBS")
  if(arg_UNPARSED_ARGUMENTS OR NOT DEFINED arg_LAYER)
    message(FATAL_ERROR "sluice_library(${folder}): LAYER is required; not understood: '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  file(RELATIVE_PATH place "${PROJECT_SOURCE_DIR}/src" "${CMAKE_CURRENT_SOURCE_DIR}")
  if(NOT place STREQUAL folder)
    message(FATAL_ERROR "sluice_library(${folder}) stands in src/${place}; the name must be the folder")
  endif()
  sluice_target_name(target "${folder}")
  set_property(GLOBAL PROPERTY SLUICE_LAYER_${target} ${arg_LAYER})
  sluice_existing(sources ${arg_SOURCES})
  sluice_existing(tests ${arg_TESTS})

  if(sources)
    list(REMOVE_ITEM sources ${arg_ALONE})
    sluice_unite(sources ${target} ${folder} ${sources})
    add_library(${target} STATIC ${sources} ${arg_ALONE})
    sluice_compile(${target})
    if(NOT arg_NOPCH)
      sluice_use_pch(${target} sluice_pch)
    endif()
    target_link_libraries(${target} PUBLIC ${arg_LIBS})
    sluice_link(${target} PUBLIC ${arg_DEPS})
  else()  # a folder of headers only
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
    target_link_libraries(${target} INTERFACE Arrow::arrow fmt::fmt ${arg_LIBS})
    sluice_link(${target} INTERFACE ${arg_DEPS})
  endif()

  if(tests AND NOT SLUICE_FUZZ)
    string(REPLACE "/" "_" test "${folder}_test")
    sluice_unite(tests ${test} ${folder} ${tests})
    add_executable(${test} ${tests})
    sluice_compile(${test})
    sluice_set_rpath(${test} "${PROJECT_BINARY_DIR}/tests")
    if(NOT arg_NOPCH)
      sluice_use_pch(${test} sluice_test_pch)
    endif()
    target_link_libraries(${test} PRIVATE ${target} ${arg_TEST_LIBS} GTest::gmock GTest::gtest_main)
    sluice_link(${test} PRIVATE ${arg_TEST_DEPS})
    # The tests' own folder may use anything below it, and test batteries (port/conformance) beside that.
    set_property(GLOBAL PROPERTY SLUICE_LAYER_${test} ${arg_LAYER})
    set(labels unit)
    if(arg_THREADED)
      list(APPEND labels threads)
      add_dependencies(threaded_tests ${test})
    endif()
    set(shards 1)
    if(arg_SHARDS)
      set(shards ${arg_SHARDS})
    endif()
    foreach(shard RANGE 1 ${shards})
      set(name ${test})
      if(shards GREATER 1)
        string(APPEND name _${shard}_of_${shards})
      endif()
      math(EXPR index "${shard} - 1")
      add_test(NAME ${name} COMMAND ${test} --gtest_brief=1 WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
      set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT 300
        ENVIRONMENT "${SLUICE_TEST_ENVIRONMENT};GTEST_TOTAL_SHARDS=${shards};GTEST_SHARD_INDEX=${index}")
    endforeach()
  endif()
endfunction()

function(sluice_app)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "SOURCES;DEPS;LIBS")
  # Sanitizer and fuzz builds are for unit tests; there the application is built only when asked for by name.
  set(exclude)
  if(SLUICE_SANITIZE OR SLUICE_FUZZ)
    set(exclude EXCLUDE_FROM_ALL)
  endif()
  sluice_existing(sources ${arg_SOURCES})
  add_executable(sluice ${exclude} ${sources})
  sluice_compile(sluice)
  sluice_use_pch(sluice sluice_pch)
  sluice_set_rpath(sluice "${PROJECT_BINARY_DIR}")
  target_link_libraries(sluice PRIVATE ${arg_LIBS} ${CMAKE_DL_LIBS})
  sluice_link(sluice PRIVATE ${arg_DEPS})
  set_property(GLOBAL PROPERTY SLUICE_LAYER_sluice 9)
endfunction()

function(sluice_fuzz name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS;LIBS")
  set(target fuzz_${name})
  add_executable(${target} ${arg_SOURCES})
  if(NOT TARGET fuzz)
    add_custom_target(fuzz)  # only what the fuzz targets need
  endif()
  add_dependencies(fuzz ${target})
  sluice_compile(${target})
  sluice_set_rpath(${target} "${PROJECT_BINARY_DIR}/fuzz")
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name})
  target_link_libraries(${target} PRIVATE ${arg_LIBS})
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  sluice_link(${target} PRIVATE ${arg_DEPS})
  set_property(GLOBAL PROPERTY SLUICE_LAYER_${target} 9)
endfunction()

# Called once, after every folder was read: a folder depends on lower layers only, so siblings never meet.
function(sluice_check_layers)
  get_property(edges GLOBAL PROPERTY SLUICE_EDGES)
  foreach(edge IN LISTS edges)
    string(REPLACE "|" ";" edge "${edge}")
    list(GET edge 0 from)
    list(GET edge 1 to)
    get_property(from_layer GLOBAL PROPERTY SLUICE_LAYER_${from})
    get_property(to_layer GLOBAL PROPERTY SLUICE_LAYER_${to})
    if(to_layer STREQUAL "")
      message(WARNING "${from} depends on ${to}, which no folder defines yet: it will not link")
    elseif(to_layer GREATER_EQUAL from_layer)
      message(SEND_ERROR "${from} (layer ${from_layer}) may not depend on ${to} (layer ${to_layer})")
    endif()
  endforeach()
endfunction()
