#include "format/avro/avro.h"

#include <array>

#include <arrow/type.h>

#include "avro/arrow_schema.h"
#include "avro/container.h"
#include "format/avro/decoder.h"
#include "format/avro/encoder.h"
#include "format/avro/schema_file.h"
#include "port/columns_only.h"

namespace sluice {
namespace {

using namespace avro_format_detail;

struct AvroOptions {
  avro::SchemaRef given;  // schema_file
  std::string record_name;
  avro::ContainerOptions container;
};

class AvroFormat final : public Format {
 public:
  explicit AvroFormat(AvroOptions options) : options_(std::move(options)) {}

  [[nodiscard]] FormatTraits traits() const override {
    FormatTraits traits;
    traits.random_access = true;
    traits.compressed_inside = true;
    return traits;
  }

  Result<SchemaPtr> infer(Context&, Input input) override {
    auto file = TRY(avro::ContainerReader::open(input.name, input.file, /*window_bytes=*/16 << 10));
    auto schema = avro::to_arrow(options_.given != nullptr ? *options_.given : *file->schema());
    if (!schema.ok()) return make_error(schema.error().fault, "{}: {}", input.name, schema.error().what);
    return schema;
  }

  Result<Planned> plan(const SchemaPtr& schema, const ReadRequest& request) const override {
    return plan_columns_only(schema, request);
  }

  Result<std::vector<int64_t>> cuts(Context& context, Input input, int64_t piece_bytes) const override {
    return find_cuts(context, input, piece_bytes, *index_);
  }

  Result<std::unique_ptr<Decoder>> create_decoder(Context&, const DecoderOptions& options) override {
    DecoderPlan plan;
    plan.planned = TRY(this->plan(options.schema, options.request)).schema;
    plan.options = options;
    plan.reader = options_.given;
    return make_decoder(std::move(plan), index_);
  }

  Result<std::unique_ptr<Encoder>> create_encoder(Context&, const SchemaPtr& schema,
                                                  std::shared_ptr<arrow::io::OutputStream> out) override {
    return make_encoder(options_.container, options_.given, options_.record_name, schema, std::move(out));
  }

 private:
  const AvroOptions options_;
  std::shared_ptr<BlockIndex> index_ = std::make_shared<BlockIndex>();
};

// Sluice's names beside Avro's.
avro::BlockCodec codec_of(const std::string& name) {
  if (name == "none") return avro::BlockCodec::null;
  if (name == "gzip") return avro::BlockCodec::deflate;
  if (name == "zstd") return avro::BlockCodec::zstandard;
  return avro::find_block_codec(name).value_or(avro::BlockCodec::null);
}

Result<std::optional<int>> level_of(const OptionValues& options, avro::BlockCodec codec) {
  if (!options.has("compression_level")) return std::nullopt;
  auto level = options.integer("compression_level");
  struct Range {
    int low;
    int high;
  };
  const std::array<Range, 6> ranges = {{{0, 0}, {1, 12}, {0, 0}, {1, 22}, {1, 9}, {0, 9}}};
  const auto range = ranges[static_cast<size_t>(codec)];
  if (range.high == 0) {
    return user_error("{}: compression_level has no meaning for compression {}", options.where("compression_level"),
                      options.text("compression"));
  }
  if (level < range.low || level > range.high) {
    return user_error("{}: compression_level of {} goes from {} to {}, not {}", options.where("compression_level"),
                      options.text("compression"), range.low, range.high, level);
  }
  return std::optional<int>(static_cast<int>(level));
}

Result<std::unique_ptr<Format>> create_avro(const OptionValues& options) {
  AvroOptions made;
  made.given = TRY(read_schema_file(options));
  made.record_name = options.text("record_name");
  made.container.codec = codec_of(options.text("compression"));
  made.container.level = TRY(level_of(options, made.container.codec));
  made.container.block_bytes = options.bytes("block_bytes");
  return std::unique_ptr<Format>(std::make_unique<AvroFormat>(std::move(made)));
}

std::vector<OptionSpec> avro_options() {
  constexpr auto sink = OptionScope::sink;
  return {
      {.name = "schema_file",
       .doc = "An Avro schema (JSON, .avsc): read, files are resolved to it; written, it is the files' schema."},
      {.name = "compression",
       .kind = OptionKind::choice,
       .default_value = "none",
       .doc = "How the blocks inside the file are compressed (gzip means deflate). Files that are read say it "
              "themselves, whatever is given here.",
       .choices = {"none", "deflate", "gzip", "snappy", "zstd", "zstandard", "bzip2", "xz", "null"}},
      {.name = "compression_level",
       .kind = OptionKind::integer,
       .doc = "Level of deflate (1–12), zstd (1–22), bzip2 (1–9) or xz (0–9); higher is smaller and slower.",
       .scope = sink},
      {.name = "block_bytes",
       .kind = OptionKind::bytes,
       .default_value = "256KB",
       .doc = "Size of a block before compression.",
       .scope = sink,
       .min = 1 << 10,
       .max = 256 << 20},
      {.name = "record_name",
       .default_value = "row",
       .doc = "Name of the root record in the schema, where no schema_file gives one.",
       .scope = sink},
  };
}

}  // namespace

FormatDescriptor avro_format() {
  FormatDescriptor descriptor;
  descriptor.name = "avro";
  descriptor.doc =
      "Apache Avro object container files: rows in blocks, with their schema. A logical type that is not known here, "
      "such "
      "as big-decimal, is read as the type underneath.";
  descriptor.extensions = {".avro"};
  descriptor.options = avro_options();
  descriptor.create = create_avro;
  return descriptor;
}

}  // namespace sluice
