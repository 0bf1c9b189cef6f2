// Options of a pipeline itself: CREATE STREAM x WITH (epoch_age := '10s', …). Declared once, documented from here.
#pragma once

#include <optional>
#include <span>

#include "options/option.h"

namespace sluice {

std::span<const OptionSpec> pipeline_option_specs();

struct PipelineOptions {
  int lanes = 0;                    // 0: one per core
  int64_t epoch_rows = 0;           // rows per epoch, over all lanes
  int64_t epoch_bytes = 0;          // source bytes per epoch, over all lanes
  std::optional<Millis> epoch_age;  // unset: by the kind of statement
  Millis lookup_refresh{0};         // 0: never
  std::optional<Millis> retry_for;  // unset: by the kind of statement
  bool ignore_truncate = false;
  std::string dead_letters;  // a location; empty: a bad row stops the pipeline

  static Result<PipelineOptions> parse(const RawOptions& with);
};

}  // namespace sluice
