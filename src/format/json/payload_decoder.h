// JSON payloads to Arrow: one object each.
#pragma once

#include <memory>
#include <string>

#include "format/json/parse.h"
#include "net/schema_registry.h"
#include "port/payload.h"

namespace sluice::json {

// Where payloads have a schema's id in front.
struct PayloadFrames {
  std::shared_ptr<net::SchemaRegistry> registry;  // null: they have none
  std::string subject;
};

struct PayloadDecodeOptions {
  bool refuse_unknown = true;
  bool unwrap_connect = true;  // {"schema": …, "payload": …} is its payload
  PayloadFrames frames;
  const Parser* parser = nullptr;  // null: the best one for this machine
};

Result<std::unique_ptr<PayloadDecoder>> create_payload_decoder(const PayloadDecodeOptions& decode,
                                                               const DecoderOptions& options);

}  // namespace sluice::json
