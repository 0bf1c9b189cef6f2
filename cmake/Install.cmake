# What `cmake --install` lays out. Runtime: bin/sluice, and lib/sluice with the Arrow and DuckDB libraries it was built
# with, which it finds by its RUNPATH, so that an installed tree runs without .deps. Development: one archive of all our
# libraries (of which only include/sluice is promised), the public headers, Arrow's
# headers of the same version, and a package: find_package(Sluice) gives Sluice::sluice.
include(GNUInstallDirs)

install(TARGETS sluice RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT runtime)
# bin/sluice looks for them there (cmake/Sluice.cmake).
set(sluice_private "lib/sluice")
set(sluice_libdir "lib")

# Files, not the links that .deps has.
file(GLOB sluice_shared "${PROJECT_SOURCE_DIR}/.deps/arrow/lib/lib*.so.*" "${PROJECT_SOURCE_DIR}/.deps/duckdb/libduckdb.so")
list(FILTER sluice_shared EXCLUDE REGEX "arrow_(flight|substrait)")
foreach(library IN LISTS sluice_shared)
  get_filename_component(name "${library}" NAME)
  file(REAL_PATH "${library}" target)
  install(FILES "${target}" DESTINATION "${sluice_private}" RENAME "${name}" COMPONENT runtime)
endforeach()

# All static libraries of ours that `target` needs, itself included.
function(sluice_archives target result)
  set(found ${${result}})
  if(TARGET ${target} AND target MATCHES "^sluice_" AND NOT target IN_LIST found)
    get_target_property(kind ${target} TYPE)
    get_target_property(links ${target} INTERFACE_LINK_LIBRARIES)
    if(kind STREQUAL "STATIC_LIBRARY" OR kind STREQUAL "INTERFACE_LIBRARY")
      list(APPEND found ${target})
      foreach(link IN LISTS links)
        string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" link "${link}")
        set(${result} ${found})
        sluice_archives("${link}" ${result})
        set(found ${${result}})
      endforeach()
    endif()
  endif()
  set(${result} ${found} PARENT_SCOPE)
endfunction()

set(archives)
sluice_archives(sluice_api archives)
set(archive_files)
foreach(archive IN LISTS archives)
  get_target_property(kind ${archive} TYPE)
  if(kind STREQUAL "STATIC_LIBRARY")
    list(APPEND archive_files "$<TARGET_FILE:${archive}>")
  endif()
endforeach()
list(APPEND archive_files "${SLUICE_PROTOBUF_ARCHIVE}")  # linked statically, so it comes along
set(sluice_sdk "${PROJECT_BINARY_DIR}/sdk")
add_custom_command(
  OUTPUT "${sluice_sdk}/libsluice.a" "${sluice_sdk}/SluiceLibraries.cmake"
  COMMAND "${CMAKE_COMMAND}" "-DARCHIVES=${archive_files}" "-DPROGRAM=$<TARGET_FILE:sluice>" "-DAR=${CMAKE_AR}"
          "-DOBJCOPY=${CMAKE_OBJCOPY}" "-DREADELF=${CMAKE_READELF}" "-DFOLDER=${sluice_sdk}"
          -P "${PROJECT_SOURCE_DIR}/cmake/Archive.cmake"
  DEPENDS ${archives} sluice "${PROJECT_SOURCE_DIR}/cmake/Archive.cmake"
  COMMENT "Joining our libraries into libsluice.a"
  VERBATIM)
add_custom_target(sluice_sdk ALL DEPENDS "${sluice_sdk}/libsluice.a")

include(CMakePackageConfigHelpers)
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/SluiceConfig.cmake.in" "${sluice_sdk}/SluiceConfig.cmake"
  INSTALL_DESTINATION "${sluice_libdir}/cmake/Sluice")
write_basic_package_version_file("${sluice_sdk}/SluiceConfigVersion.cmake" COMPATIBILITY SameMinorVersion)

install(FILES "${sluice_sdk}/libsluice.a" DESTINATION "${sluice_libdir}" COMPONENT development)
install(FILES "${sluice_sdk}/SluiceConfig.cmake" "${sluice_sdk}/SluiceConfigVersion.cmake"
              "${sluice_sdk}/SluiceLibraries.cmake"
  DESTINATION "${sluice_libdir}/cmake/Sluice" COMPONENT development)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/sluice" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  COMPONENT development)
if(EXISTS "${PROJECT_SOURCE_DIR}/.deps/arrow/include/arrow")
  file(REAL_PATH "${PROJECT_SOURCE_DIR}/.deps/arrow/include" arrow_headers)
  install(DIRECTORY "${arrow_headers}/arrow" DESTINATION "${sluice_private}/include" COMPONENT development)
endif()
