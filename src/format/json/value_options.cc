#include "format/json/value_options.h"

#include "port/payload.h"

namespace sluice::json {

std::vector<OptionSpec> value_options() {
  return {
      {.name = "timestamps",
       .kind = OptionKind::choice,
       .default_value = "auto",
       .doc = "Whether strings that are ISO dates and timestamps are inferred as DATE and TIMESTAMP, or stay text.",
       .scope = OptionScope::source,
       .choices = {"auto", "text"}},
      unknown_fields_option(),
      {.name = "nulls",
       .kind = OptionKind::choice,
       .default_value = "write",
       .doc = "Whether fields that are null are written, or omitted.",
       .scope = OptionScope::sink,
       .choices = {"write", "omit"}},
      {.name = "nan",
       .kind = OptionKind::choice,
       .default_value = "error",
       .doc = "What NaN and Infinity become, which JSON does not have: an error, null, or the texts NaN, Infinity and "
              "-Infinity, which are read back as numbers.",
       .scope = OptionScope::sink,
       .choices = {"error", "null", "text"}},
  };
}

bool refuse_unknown(const OptionValues& options) { return options.text("unknown_fields") == "error"; }

bool recognise_timestamps(const OptionValues& options) { return options.text("timestamps") == "auto"; }

EncodeOptions encode_options(const OptionValues& options) {
  EncodeOptions encode;
  encode.omit_nulls = options.text("nulls") == "omit";
  const std::string& nan = options.text("nan");
  encode.nan = nan == "null" ? NotANumber::null : nan == "text" ? NotANumber::text : NotANumber::error;
  return encode;
}

}  // namespace sluice::json
