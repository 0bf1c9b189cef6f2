// Avro payloads to Arrow: one datum each, without a container around it.
#pragma once

#include <memory>

#include "format/avro/payload_schemas.h"
#include "port/payload.h"

namespace sluice::avro_format_detail {

struct PayloadDecoding {
  std::shared_ptr<PayloadSchemas> schemas;  // null: payloads carry no id, all were written with `reader`
  avro::SchemaRef reader;                   // what writers' schemas are resolved to; null: each comes as it was written
  SchemaPtr full;
  SchemaPtr planned;
  bool refuse_unknown = true;
  bool collect_rejects = false;
};

std::unique_ptr<PayloadDecoder> make_payload_decoder(PayloadDecoding decoding);

}  // namespace sluice::avro_format_detail
