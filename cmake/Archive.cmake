# Run by the build (cmake -P): ARCHIVES become one FOLDER/libsluice.a without debug information, and
# FOLDER/SluiceLibraries.cmake names the shared libraries that PROGRAM needs, by the names the loader looks for: who
# links libsluice.a needs them too, and no development package of theirs.
file(MAKE_DIRECTORY "${FOLDER}")
set(script "CREATE ${FOLDER}/libsluice.a\n")
foreach(archive IN LISTS ARCHIVES)
  string(APPEND script "ADDLIB ${archive}\n")
endforeach()
file(WRITE "${FOLDER}/join.mri" "${script}SAVE\nEND\n")
file(REMOVE "${FOLDER}/libsluice.a")
execute_process(COMMAND "${AR}" -M INPUT_FILE "${FOLDER}/join.mri" COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${OBJCOPY}" --strip-debug "${FOLDER}/libsluice.a" COMMAND_ERROR_IS_FATAL ANY)

execute_process(COMMAND "${READELF}" -d "${PROGRAM}" OUTPUT_VARIABLE dynamic COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "\\(NEEDED\\)[^\n]*\\[[^]]*\\]" lines "${dynamic}")
set(names)
foreach(line IN LISTS lines)
  string(REGEX REPLACE ".*\\[(.*)\\]" "\\1" name "${line}")
  if(NOT name MATCHES "^(libc|libm|libgcc_s|libstdc\\+\\+|ld-linux.*)\\.so")
    list(APPEND names "${name}")
  endif()
endforeach()
file(WRITE "${FOLDER}/SluiceLibraries.cmake" "set(Sluice_SHARED_LIBRARIES ${names})\n")
