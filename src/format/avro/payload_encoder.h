// Arrow to Avro payloads: one datum each, with the schema's id in front where there is a registry.
#pragma once

#include <memory>
#include <optional>

#include "avro/schema.h"
#include "port/payload.h"

namespace sluice::avro_format_detail {

// `columns`: those of the batches to come.
Result<std::unique_ptr<PayloadEncoder>> make_payload_encoder(avro::SchemaRef schema, const arrow::Schema& columns,
                                                             std::optional<int32_t> id);

}  // namespace sluice::avro_format_detail
