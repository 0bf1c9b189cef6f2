#include "sluice/s3.h"

#include "options/location.h"

namespace sluice {
namespace {

struct FormatName {
  SerializationFormat format;
  const char* name;
  bool compressed_inside;
};
constexpr FormatName kFormats[] = {
    {SerializationFormat::Json, "json", false},      {SerializationFormat::Csv, "csv", false},
    {SerializationFormat::Parquet, "parquet", true}, {SerializationFormat::Avro, "avro", true},
    {SerializationFormat::Orc, "orc", true},         {SerializationFormat::Arrow, "arrow", true},
};

const FormatName& named(SerializationFormat format) {
  for (const auto& one : kFormats) {
    if (one.format == format) return one;
  }
  return kFormats[0];
}

const char* name_of(Compression compression) {
  switch (compression) {
    case Compression::None:
      return "none";
    case Compression::Gzip:
      return "gzip";
    case Compression::Zstd:
      return "zstd";
    case Compression::Snappy:
      return "snappy";
    case Compression::Lz4:
      return "lz4";
  }
  return "none";
}

const char* name_of(KeyGenerationStrategy strategy) {
  switch (strategy) {
    case KeyGenerationStrategy::HivePartitioned:
      return "HivePartitioned";
    case KeyGenerationStrategy::DateHourPartitioned:
      return "DateHourPartitioned";
    case KeyGenerationStrategy::DatePartitioned:
      return "DatePartitioned";
    case KeyGenerationStrategy::CollectionBased:
      return "CollectionBased";
    case KeyGenerationStrategy::Flat:
      return "Flat";
  }
  return "DateHourPartitioned";
}

bool can_compress(SerializationFormat format, Compression compression) {
  const bool snappy = compression == Compression::Snappy;
  const bool lz4 = compression == Compression::Lz4;
  if (format == SerializationFormat::Avro) return !lz4;
  if (format == SerializationFormat::Arrow) return !snappy && compression != Compression::Gzip;
  return true;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '/' || c == ':';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace

S3Config::Builder S3Config::builder() { return {}; }

std::string S3Config::uri() const {
  std::string uri = "s3://" + bucket_ + "/";
  char separator = '?';
  for (const auto& [name, value] : parameters_) {
    uri += separator + name + "=" + percent_encoded(value);
    separator = '&';
  }
  return uri;
}

using Builder = S3Config::Builder;

Builder& Builder::bucket(std::string name) { return bucket_ = std::move(name), *this; }
Builder& Builder::collection(std::string name) { return collection_ = std::move(name), *this; }
Builder& Builder::format(SerializationFormat format) { return format_ = format, *this; }
Builder& Builder::compression(Compression compression) { return compression_ = compression, *this; }
Builder& Builder::region(std::string name) { return option("region", std::move(name)); }
Builder& Builder::prefix(std::string path) { return option("prefix", std::move(path)); }
Builder& Builder::key_strategy(KeyGenerationStrategy strategy) { return option("key_strategy", name_of(strategy)); }
Builder& Builder::max_retries(int count) { return option("max_retries", std::to_string(count)); }
Builder& Builder::endpoint_url(std::string url) { return option("endpoint_url", std::move(url)); }
Builder& Builder::force_path_style(bool force) { return option("force_path_style", force ? "true" : "false"); }
Builder& Builder::access_key_id(std::string id) { return option("access_key_id", std::move(id)); }
Builder& Builder::secret_access_key(std::string secret) { return option("secret_access_key", std::move(secret)); }
Builder& Builder::session_token(std::string token) { return option("session_token", std::move(token)); }
Builder& Builder::option(std::string name, std::string value) {
  parameters_[std::move(name)] = std::move(value);
  return *this;
}

Result<S3Config> S3Config::Builder::build() const {
  if (bucket_.empty()) return user_error("S3Config needs a bucket: builder().bucket(\"my-bucket\")");
  if (bucket_.find_first_of("/?#@ ") != std::string::npos) {
    return user_error("'{}' is not a bucket's name; a path below it is given with prefix()", bucket_);
  }
  auto region = parameters_.find("region");
  if (region == parameters_.end() || region->second.empty()) {
    return user_error("S3Config needs a region: builder().region(\"us-east-1\")");
  }
  if (auto retries = parameters_.find("max_retries");
      retries != parameters_.end() && retries->second.starts_with('-')) {
    return user_error("max_retries is {}, and cannot be negative", retries->second);
  }
  if (compression_ && !can_compress(format_, *compression_)) {
    return user_error("{} files cannot be compressed with {}", named(format_).name, name_of(*compression_));
  }
  S3Config config;
  config.bucket_ = bucket_;
  config.collection_ = collection_;
  config.parameters_ = parameters_;
  config.parameters_["format"] = named(format_).name;
  config.parameters_.emplace("key_strategy", name_of(KeyGenerationStrategy::DateHourPartitioned));
  config.parameters_.emplace("collection", collection_);
  // Left alone, formats that compress inside have a default of their own.
  if (compression_ || !named(format_).compressed_inside) {
    config.parameters_["compression"] = name_of(compression_.value_or(Compression::None));
  }
  return config;
}

Result<S3Destination> S3Destination::create(const S3Config& config, const WriterOptions& options) {
  auto sink = TRY(create_sink(config.uri()));
  auto named_options = options;
  if (named_options.collection.empty()) named_options.collection = config.collection();
  return S3Destination(TRY(sink->create_writer(named_options)));
}

S3Destination::S3Destination(std::unique_ptr<DataWriter> writer) : writer_(std::move(writer)) {}
S3Destination::S3Destination(S3Destination&&) noexcept = default;
S3Destination& S3Destination::operator=(S3Destination&&) noexcept = default;
S3Destination::~S3Destination() = default;

Result<void> S3Destination::write_batch(std::span<const std::string> events) {
  if (events.empty()) return {};
  return write_batch(TRY(batch_from_json(events)));
}

Result<void> S3Destination::write_batch(const BatchPtr& events) {
  if (writer_ == nullptr) return user_error("the destination is closed");
  TRY(writer_->write(events));
  return writer_->commit(writer_->position());
}

Result<void> S3Destination::close() {
  if (writer_ == nullptr) return {};
  auto closed = writer_->close();
  writer_.reset();
  return closed;
}

}  // namespace sluice
