#include "format/parquet/parquet.h"

#include <map>

#include <arrow/type.h>
#include <arrow/util/compression.h>

#include "batch/arrow_result.h"
#include "format/parquet/columns.h"
#include "format/parquet/decoder.h"
#include "format/parquet/encoder.h"
#include "port/columns_only.h"

namespace sluice {
namespace {

using namespace parquet_format_detail;

parquet::Compression::type codec_of(const std::string& name) {
  static const std::map<std::string, parquet::Compression::type, std::less<>> codecs = {
      {"none", parquet::Compression::UNCOMPRESSED}, {"uncompressed", parquet::Compression::UNCOMPRESSED},
      {"snappy", parquet::Compression::SNAPPY},     {"gzip", parquet::Compression::GZIP},
      {"zstd", parquet::Compression::ZSTD},         {"lz4", parquet::Compression::LZ4},
      {"brotli", parquet::Compression::BROTLI}};
  return codecs.at(name);
}

// The option's choices and their levels; LZ4 and Snappy have none.
Result<std::optional<int>> level_of(const OptionValues& options, parquet::Compression::type codec) {
  if (!options.has("compression_level")) return std::nullopt;
  auto level = static_cast<int>(options.integer("compression_level"));
  if (!arrow::util::Codec::SupportsCompressionLevel(codec)) {
    return user_error("{}: compression_level has no meaning for compression {}", options.where("compression_level"),
                      options.text("compression"));
  }
  int low = TRY(to_result(arrow::util::Codec::MinimumCompressionLevel(codec)));
  int high = TRY(to_result(arrow::util::Codec::MaximumCompressionLevel(codec)));
  if (level < low || level > high) {
    return user_error("{}: compression_level of {} goes from {} to {}, not {}", options.where("compression_level"),
                      options.text("compression"), low, high, level);
  }
  return std::optional<int>(level);
}

class ParquetFormat final : public Format {
 public:
  explicit ParquetFormat(const EncoderOptions& encoder) : encoder_(encoder) {}

  [[nodiscard]] FormatTraits traits() const override {
    FormatTraits traits;
    traits.random_access = true;
    traits.compressed_inside = true;
    return traits;
  }

  Result<SchemaPtr> infer(Context&, Input input) override { return read_schema(input); }

  Result<Planned> plan(const SchemaPtr& schema, const ReadRequest& request) const override {
    Planned planned = TRY(plan_columns_only(schema, request));
    // Row groups are skipped by their statistics; rows of the others are not looked at.
    for (const auto& predicate : request.filter) {
      planned.pushed.notes.push_back("row groups by statistics: " + to_string(predicate));
    }
    return planned;
  }

  Result<std::vector<int64_t>> cuts(Context&, Input input, int64_t piece_bytes) const override {
    return row_cuts(input, piece_bytes);
  }

  Result<std::unique_ptr<Decoder>> create_decoder(Context&, const DecoderOptions& options) override {
    return make_decoder(options, TRY(plan(options.schema, options.request)).schema);
  }

  Result<std::unique_ptr<Encoder>> create_encoder(Context&, const SchemaPtr& schema,
                                                  std::shared_ptr<arrow::io::OutputStream> out) override {
    return make_encoder(encoder_, schema, std::move(out));
  }

 private:
  const EncoderOptions encoder_;
};

Result<std::unique_ptr<Format>> create_parquet(const OptionValues& options) {
  EncoderOptions encoder;
  encoder.codec = codec_of(options.text("compression"));
  encoder.level = TRY(level_of(options, encoder.codec));
  encoder.row_group_rows = options.integer("row_group_rows");
  encoder.row_group_bytes = options.bytes("row_group_bytes");
  encoder.page_bytes = options.bytes("page_size");
  encoder.dictionary = options.boolean("dictionary");
  encoder.statistics = options.boolean("statistics");
  encoder.all_encodings = options.text("encodings") == "auto";
  return std::unique_ptr<Format>(std::make_unique<ParquetFormat>(encoder));
}

std::vector<OptionSpec> parquet_options() {
  constexpr auto sink = OptionScope::sink;
  return {
      {.name = "compression",
       .kind = OptionKind::choice,
       .default_value = "zstd",
       .doc = "How the pages inside the file are compressed. Files that are read say it themselves, whatever is given "
              "here.",
       .choices = {"zstd", "snappy", "gzip", "lz4", "brotli", "none", "uncompressed"}},
      {.name = "compression_level",
       .kind = OptionKind::integer,
       .doc = "Level of zstd, gzip or brotli; higher is smaller and slower.",
       .scope = sink},
      {.name = "row_group_rows",
       .kind = OptionKind::integer,
       .default_value = "122880",
       .doc = "Most rows of a row group.",
       .scope = sink,
       .min = 1,
       .max = 1 << 30},
      {.name = "row_group_bytes",
       .kind = OptionKind::bytes,
       .default_value = "64MB",
       .doc = "Most bytes of a row group, as rows in memory.",
       .scope = sink,
       .min = 1 << 10},
      {.name = "page_size",
       .kind = OptionKind::bytes,
       .default_value = "1MB",
       .doc = "Size of a data page before compression.",
       .scope = sink,
       .min = 1 << 10,
       .max = 1 << 30},
      {.name = "dictionary",
       .kind = OptionKind::boolean,
       .default_value = "true",
       .doc = "Whether columns whose values repeat are written with a dictionary.",
       .scope = sink},
      {.name = "encodings",
       .kind = OptionKind::choice,
       .default_value = "auto",
       .doc = "auto also uses delta encodings where they win; compatible only dictionary and plain, for old readers.",
       .scope = sink,
       .choices = {"auto", "compatible"}},
      {.name = "statistics",
       .kind = OptionKind::boolean,
       .default_value = "true",
       .doc = "Whether the least and greatest value of every column are recorded, for readers that skip by them.",
       .scope = sink},
  };
}

}  // namespace

FormatDescriptor parquet_format() {
  FormatDescriptor descriptor;
  descriptor.name = "parquet";
  descriptor.doc = "Apache Parquet: columns, compressed inside.";
  descriptor.extensions = {".parquet", ".pq"};
  descriptor.options = parquet_options();
  descriptor.create = create_parquet;
  return descriptor;
}

}  // namespace sluice
