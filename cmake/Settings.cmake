# Compiler, linker and cache settings shared by every target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(SLUICE_SANITIZE "" CACHE STRING "address (with undefined) or thread")
set_property(CACHE SLUICE_SANITIZE PROPERTY STRINGS "" address thread)
option(SLUICE_FUZZ "Build the fuzz targets; needs clang" OFF)
option(SLUICE_WERROR "Treat warnings as errors" ON)
set(SLUICE_UNITY 8 CACHE STRING "How many files of a folder are compiled as one at most; OFF for each by itself")
option(SLUICE_PCH "Precompile the headers that dominate build time" ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
# -g1: stack traces with line numbers at a fraction of the size.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")

set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
add_compile_options(-ffunction-sections -fdata-sections)
add_link_options(-Wl,--gc-sections)

# Only our targets get these (through sluice_warnings); third-party headers are SYSTEM.
add_library(sluice_warnings INTERFACE)
target_compile_options(sluice_warnings INTERFACE -Wall -Wextra -Wnon-virtual-dtor -Wno-missing-field-initializers $<$<BOOL:${SLUICE_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports these inside inlined std::string and std::variant code that is correct (GCC PR 105651, 105562).
  target_compile_options(sluice_warnings INTERFACE
    -Wno-restrict -Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
endif()

# Debug information and __FILE__ name files from the root of the tree, whichever folder it was cloned to.
add_compile_options("-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=")

# AddressSanitizer sees what these three would, or the program dies of it; they are a fifth of what its builds cost.
set(sluice_undefined -fsanitize=undefined -fno-sanitize=null,vptr,object-size -fno-sanitize-recover=undefined)

# The sanitizers wrap dlopen. Linked statically, the wrapper is part of the executable, whose RUNPATH then finds libduckdb.
set(SLUICE_TEST_ENVIRONMENT "")
if(SLUICE_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address ${sluice_undefined} -fno-omit-frame-pointer -O1)
  add_link_options(-fsanitize=address,undefined -static-libasan)
  # Arrow is not instrumented: a vector it grows and we read would look like an overflow.
  set(SLUICE_TEST_ENVIRONMENT
    "ASAN_OPTIONS=detect_container_overflow=0:detect_stack_use_after_return=1:strict_string_checks=1"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tools/lsan.supp:print_suppressions=0")
elseif(SLUICE_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -O1)
  add_link_options(-fsanitize=thread -static-libtsan)
  # GCC says that TSan does not model atomic_thread_fence; Boost and libstdc++ only use it where that is harmless.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  set(SLUICE_TEST_ENVIRONMENT
    "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tools/tsan.supp:ignore_noninstrumented_modules=1:halt_on_error=1:atexit_sleep_ms=50")
elseif(SLUICE_SANITIZE)
  message(FATAL_ERROR "SLUICE_SANITIZE is '${SLUICE_SANITIZE}'; use address or thread")
endif()

if(SLUICE_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "SLUICE_FUZZ needs clang: -DCMAKE_CXX_COMPILER=clang++-16")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link,address ${sluice_undefined} -O1)
  add_link_options(-fsanitize=address,undefined)
endif()

find_program(SLUICE_MOLD mold)
if(SLUICE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# ccache is told here rather than by the Makefile, so that a plain cmake build and every clone share one cache.
# BASEDIR and NOHASHDIR let a second clone hit, in whatever language its compiler speaks; the other sloppiness is what
# ccache needs to cache precompiled headers.
find_program(SLUICE_CCACHE ccache)
if(SLUICE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=pch_defines,time_macros,locale,include_file_mtime,include_file_ctime "${SLUICE_CCACHE}")
endif()
# clang is given its precompiled header by absolute path, which ccache cannot make relative: no clone would ever hit.
if(SLUICE_PCH AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(SLUICE_PCH OFF)
elseif(SLUICE_PCH)
  add_compile_options(-fpch-preprocess)  # ccache asks for it
endif()
