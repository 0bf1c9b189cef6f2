#include "flow/options.h"

#include <array>

namespace sluice {

std::span<const OptionSpec> pipeline_option_specs() {
  static const std::array specs = {
      OptionSpec{.name = "lanes",
                 .kind = OptionKind::integer,
                 .default_value = "0",
                 .doc = "Threads that read, transform and write side by side; 0 is one per core.",
                 .min = 0,
                 .max = 256},
      OptionSpec{.name = "epoch_rows",
                 .kind = OptionKind::integer,
                 .default_value = "50000000",
                 .doc = "An epoch is committed after this many rows.",
                 .min = 1},
      OptionSpec{.name = "epoch_bytes",
                 .kind = OptionKind::bytes,
                 .default_value = "16GB",
                 .doc = "An epoch is committed after this many bytes of input.",
                 .min = 1},
      OptionSpec{
          .name = "epoch_age",
          .kind = OptionKind::duration,
          .doc = "An epoch is committed at this age at the latest, if anything came; unset: 10s for streams, 10m for "
                 "bounded statements.",
          .min = 1},
      OptionSpec{.name = "lookup_refresh",
                 .kind = OptionKind::duration,
                 .doc = "Joined lookup tables of a stream are loaded again this often; unset: once at the start."},
      OptionSpec{.name = "retry_for",
                 .kind = OptionKind::duration,
                 .doc = "How long the pipeline is tried again after failures that may pass (a lost connection, a busy "
                        "database) without an epoch being committed, before it ends with the error; unset: 10m for "
                        "streams, 0 for bounded statements."},
      OptionSpec{.name = "on_truncate",
                 .kind = OptionKind::choice,
                 .default_value = "follow",
                 .doc = "When a table of the source is truncated: empty the target, too (a sink that cannot ends the "
                        "pipeline with a sentence that says so), or ignore it and leave what was delivered.",
                 .choices = {"follow", "ignore"}},
      OptionSpec{.name = "dead_letters",
                 .kind = OptionKind::text,
                 .doc = "Where rows and files go that cannot be read, transformed or written, with the reason and the "
                        "position; unset: the first one stops the pipeline."},
  };
  return specs;
}

Result<PipelineOptions> PipelineOptions::parse(const RawOptions& with) {
  auto values = TRY(OptionValues::parse("the pipeline", pipeline_option_specs(), OptionScope::both, with));
  PipelineOptions options;
  options.lanes = static_cast<int>(values.integer("lanes"));
  options.epoch_rows = values.integer("epoch_rows");
  options.epoch_bytes = values.bytes("epoch_bytes");
  if (values.has("epoch_age")) options.epoch_age = values.duration("epoch_age");
  if (values.has("lookup_refresh")) options.lookup_refresh = values.duration("lookup_refresh");
  if (values.has("retry_for")) options.retry_for = values.duration("retry_for");
  options.ignore_truncate = values.text("on_truncate") == "ignore";
  if (values.has("dead_letters")) options.dead_letters = values.text("dead_letters");
  return options;
}

}  // namespace sluice
