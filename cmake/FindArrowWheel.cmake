# Arrow C++ 26 or newer: the distribution's, where it has one, else what tools/deps laid out from the pyarrow wheel.
# Defines Arrow::<name> for arrow, compute, acero, dataset, parquet and s3.

set(arrow_wheel "${PROJECT_SOURCE_DIR}/.deps/arrow")
set(ArrowWheel_FOUND TRUE)

find_package(Arrow 26 QUIET CONFIG)
if(Arrow_FOUND)
  find_package(ArrowCompute REQUIRED CONFIG)
  find_package(ArrowAcero REQUIRED CONFIG)
  find_package(ArrowDataset REQUIRED CONFIG)
  find_package(Parquet REQUIRED CONFIG)
  add_library(Arrow::arrow ALIAS Arrow::arrow_shared)
  add_library(Arrow::compute ALIAS ArrowCompute::arrow_compute_shared)
  add_library(Arrow::acero ALIAS ArrowAcero::arrow_acero_shared)
  add_library(Arrow::dataset ALIAS ArrowDataset::arrow_dataset_shared)
  add_library(Arrow::parquet ALIAS Parquet::parquet_shared)
  add_library(Arrow::s3 ALIAS Arrow::arrow_shared)  # distributions build S3 into libarrow itself
  message(STATUS "Arrow ${Arrow_VERSION} from ${Arrow_DIR}")
  return()
endif()

if(NOT EXISTS "${arrow_wheel}/include/arrow/api.h")
  message(FATAL_ERROR "Arrow C++ is missing; run tools/deps (or make deps)")
endif()
function(sluice_arrow_library name file)
  add_library(Arrow::${name} SHARED IMPORTED GLOBAL)
  set_target_properties(Arrow::${name} PROPERTIES
    IMPORTED_LOCATION "${arrow_wheel}/lib/lib${file}.so"
    IMPORTED_NO_SONAME FALSE
    INTERFACE_INCLUDE_DIRECTORIES "${arrow_wheel}/include"
    INTERFACE_LINK_LIBRARIES "${ARGN}")
endfunction()
sluice_arrow_library(arrow arrow Threads::Threads)
sluice_arrow_library(compute arrow_compute Arrow::arrow)
sluice_arrow_library(acero arrow_acero Arrow::compute)
sluice_arrow_library(parquet parquet Arrow::arrow)
sluice_arrow_library(dataset arrow_dataset "Arrow::acero;Arrow::parquet")
sluice_arrow_library(s3 arrow_s3 Arrow::arrow)
message(STATUS "Arrow from .deps/arrow")
