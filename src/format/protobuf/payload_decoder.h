// Protobuf payloads to Arrow: one message each.
#pragma once

#include <memory>

#include "format/protobuf/payload_schemas.h"
#include "port/payload.h"

namespace sluice::protobuf {

struct PayloadDecoding {
  std::shared_ptr<PayloadSchemas> schemas;  // null: payloads carry no id, all are a `message`
  SchemaRef reader;                         // the schema that rows are read with; null: each as it was written
  const Message* message = nullptr;         // of `reader`
  SchemaPtr full;
  SchemaPtr planned;
  bool refuse_unknown = true;
  bool collect_rejects = false;
};

std::unique_ptr<PayloadDecoder> make_payload_decoder(PayloadDecoding decoding);

}  // namespace sluice::protobuf
