#include "format/ipc/ipc.h"

#include <arrow/type.h>
#include <arrow/util/compression.h>

#include "format/ipc/decoder.h"
#include "format/ipc/encoder.h"
#include "port/columns_only.h"

namespace sluice {
namespace {

using namespace ipc_format_detail;

class ArrowFormat final : public Format {
 public:
  explicit ArrowFormat(const EncoderOptions& encoder) : encoder_(encoder) {}

  [[nodiscard]] FormatTraits traits() const override {
    FormatTraits traits;
    traits.random_access = true;
    traits.compressed_inside = true;
    return traits;
  }

  Result<SchemaPtr> infer(Context&, Input input) override { return read_schema(input); }

  Result<Planned> plan(const SchemaPtr& schema, const ReadRequest& request) const override {
    return plan_columns_only(schema, request);
  }

  Result<std::vector<int64_t>> cuts(Context&, Input input, int64_t piece_bytes) const override {
    return row_cuts(input, piece_bytes);
  }

  Result<std::unique_ptr<Decoder>> create_decoder(Context&, const DecoderOptions& options) override {
    auto planned = TRY(plan(options.schema, options.request)).schema;
    return make_decoder(options, std::move(planned));
  }

  Result<std::unique_ptr<Encoder>> create_encoder(Context&, const SchemaPtr& schema,
                                                  std::shared_ptr<arrow::io::OutputStream> out) override {
    return make_encoder(encoder_, schema, std::move(out));
  }

 private:
  const EncoderOptions encoder_;
};

Result<std::unique_ptr<Format>> create_arrow(const OptionValues& options) {
  EncoderOptions encoder;
  const auto& compression = options.text("compression");
  if (compression == "lz4") encoder.codec = arrow::Compression::LZ4_FRAME;
  if (compression == "zstd") encoder.codec = arrow::Compression::ZSTD;
  encoder.stream = options.text("layout") == "stream";
  encoder.batch_rows = options.integer("record_batch_rows");
  encoder.batch_bytes = options.bytes("record_batch_bytes");
  return std::unique_ptr<Format>(std::make_unique<ArrowFormat>(encoder));
}

std::vector<OptionSpec> arrow_options() {
  constexpr auto sink = OptionScope::sink;
  return {
      {.name = "compression",
       .kind = OptionKind::choice,
       .default_value = "none",
       .doc =
           "How the columns inside the file are compressed. Files that are read say it themselves, whatever is given "
           "here.",
       .choices = {"none", "lz4", "zstd"}},
      {.name = "layout",
       .kind = OptionKind::choice,
       .default_value = "file",
       .doc = "file has a footer and can be read in parts; stream can only be read from its beginning. Reading tells "
              "them apart by itself.",
       .scope = sink,
       .choices = {"file", "stream"}},
      {.name = "record_batch_rows",
       .kind = OptionKind::integer,
       .default_value = "65536",
       .doc = "Most rows of a record batch.",
       .scope = sink,
       .min = 1,
       .max = 1 << 30},
      {.name = "record_batch_bytes",
       .kind = OptionKind::bytes,
       .default_value = "16MB",
       .doc = "A record batch ends once its rows take this much memory.",
       .scope = sink,
       .min = 1 << 10},
  };
}

}  // namespace

FormatDescriptor arrow_format() {
  FormatDescriptor descriptor;
  descriptor.name = "arrow";
  descriptor.doc = "Apache Arrow IPC (Feather version 2): columns as they lie in memory, as a file or as a stream.";
  descriptor.extensions = {".arrow", ".feather", ".arrows", ".ipc"};
  descriptor.options = arrow_options();
  descriptor.create = create_arrow;
  return descriptor;
}

}  // namespace sluice
