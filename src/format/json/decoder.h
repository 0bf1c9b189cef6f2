// JSON to Arrow: records into columns, bad ones into rejects.
#pragma once

#include <memory>

#include "format/json/records.h"
#include "port/format.h"

namespace sluice::json {

struct DecodeOptions {
  RecordsOptions records;
  bool refuse_unknown = true;
  const Parser* parser = nullptr;  // null: the best one for this machine
};

// Which parts of `request` are applied, with the schema that comes out. `schema` in any types.
Result<Format::Planned> plan(const SchemaPtr& schema, const ReadRequest& request);
Result<std::unique_ptr<Decoder>> create_decoder(const DecodeOptions& decode, const DecoderOptions& options);

}  // namespace sluice::json
