// Arrow to Protobuf payloads: one message each, with schema id and message indexes in front where there is a registry.
#pragma once

#include <memory>
#include <optional>

#include "format/protobuf/schema.h"
#include "port/payload.h"

namespace sluice::protobuf {

// `columns`: those of the batches to come.
Result<std::unique_ptr<PayloadEncoder>> make_payload_encoder(SchemaRef schema, const Message& message,
                                                             const arrow::Schema& columns, std::optional<int32_t> id);

}  // namespace sluice::protobuf
