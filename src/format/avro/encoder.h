// Writes one Avro file.
#pragma once

#include <memory>

#include "avro/container.h"
#include "port/format.h"

namespace sluice::avro_format_detail {

// `given`: the writer schema; null: made from `schema`.
Result<std::unique_ptr<Encoder>> make_encoder(const avro::ContainerOptions& options, avro::SchemaRef given,
                                              const std::string& record_name, const SchemaPtr& schema,
                                              std::shared_ptr<arrow::io::OutputStream> out);

}  // namespace sluice::avro_format_detail
