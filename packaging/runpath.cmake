# cmake -P runpath.cmake PROGRAM: an installed program looks for its libraries in ../lib/sluice and nowhere else.
file(RPATH_SET FILE "${CMAKE_ARGV3}" NEW_RPATH "$ORIGIN/../lib/sluice")
