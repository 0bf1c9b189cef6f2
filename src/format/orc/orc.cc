#include "format/orc/orc.h"

#include <map>

#include <arrow/type.h>

#include "format/orc/decoder.h"
#include "format/orc/encoder.h"
#include "format/orc/types.h"
#include "port/columns_only.h"

namespace sluice {
namespace {

using namespace orc_format_detail;

class OrcFormat final : public Format {
 public:
  explicit OrcFormat(const EncoderOptions& encoder) : encoder_(encoder) {}

  [[nodiscard]] FormatTraits traits() const override {
    FormatTraits traits;
    traits.random_access = true;
    traits.compressed_inside = true;
    return traits;
  }

  Result<SchemaPtr> infer(Context&, Input input) override { return read_schema(input); }

  Result<void> validate_schema(const arrow::Schema& schema) const override {
    TRY(stored_schema(schema));
    return {};
  }

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

Result<std::unique_ptr<Format>> create_orc(const OptionValues& options) {
  static const std::map<std::string, arrow::Compression::type, std::less<>> codecs = {
      {"none", arrow::Compression::UNCOMPRESSED}, {"zlib", arrow::Compression::GZIP},
      {"gzip", arrow::Compression::GZIP},         {"snappy", arrow::Compression::SNAPPY},
      {"lz4", arrow::Compression::LZ4},           {"zstd", arrow::Compression::ZSTD}};
  EncoderOptions encoder;
  encoder.codec = codecs.at(options.text("compression"));
  encoder.stripe_bytes = options.bytes("stripe_bytes");
  constexpr int64_t kUnit = 64 << 10;  // the ORC writer takes multiples of it
  encoder.block_bytes = (options.bytes("block_bytes") + kUnit - 1) / kUnit * kUnit;
  encoder.dictionary = options.boolean("dictionary");
  return std::unique_ptr<Format>(std::make_unique<OrcFormat>(encoder));
}

std::vector<OptionSpec> orc_options() {
  constexpr auto sink = OptionScope::sink;
  return {
      {.name = "compression",
       .kind = OptionKind::choice,
       .default_value = "zstd",
       .doc =
           "How the streams inside the file are compressed (gzip means zlib). Files that are read say it themselves, "
           "whatever is given here.",
       .choices = {"zstd", "zlib", "gzip", "snappy", "lz4", "none"}},
      {.name = "stripe_bytes",
       .kind = OptionKind::bytes,
       .default_value = "64MB",
       .doc = "Most bytes of a stripe, before compression; they are held in memory until it is written.",
       .scope = sink,
       .min = 1 << 10},
      {.name = "block_bytes",
       .kind = OptionKind::bytes,
       .default_value = "256KB",
       .doc = "How much is compressed at once; rounded up to a multiple of 64KB.",
       .scope = sink,
       .min = 1 << 10,
       .max = 8 << 20},
      {.name = "dictionary",
       .kind = OptionKind::boolean,
       .default_value = "true",
       .doc = "Whether text columns whose values repeat are written with a dictionary.",
       .scope = sink},
  };
}

}  // namespace

FormatDescriptor orc_format() {
  FormatDescriptor descriptor;
  descriptor.name = "orc";
  descriptor.doc =
      "Apache ORC: columns, compressed inside. Timestamps are read to the nanosecond (the years 1678 to 2261, others "
      "are an error); unsigned integers are written as the next larger type, UBIGINT as DECIMAL(20,0); TIME, INTERVAL "
      "and decimals of more than 38 digits have no ORC type and are refused.";
  descriptor.extensions = {".orc"};
  descriptor.options = orc_options();
  descriptor.create = create_orc;
  return descriptor;
}

}  // namespace sluice
