// Lands batches of events in S3 (and what speaks its protocol) as objects under a chosen key layout.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "sluice/batch.h"
#include "sluice/sink.h"

namespace sluice {

enum class SerializationFormat { Json, Csv, Parquet, Avro, Orc, Arrow };

// Around the object (events.jsonl.gz) or, for Parquet, Avro, ORC and Arrow, inside of it.
enum class Compression { None, Gzip, Zstd, Snappy, Lz4 };

// {prefix}/… followed by {timestamp}.{ext}, with a suffix that makes the key unique and repeatable. UTC.
enum class KeyGenerationStrategy {
  HivePartitioned,      // collection={name}/year={YYYY}/month={MM}/day={DD}/hour={HH}/
  DateHourPartitioned,  // {collection}/{YYYY}/{MM}/{DD}/{HH}/   (the default)
  DatePartitioned,      // {collection}/{YYYY}/{MM}/{DD}/
  CollectionBased,      // {collection}/
  Flat,                 // {collection}_
};

class S3Config {
 public:
  class Builder;
  static Builder builder();

  // As a location with parameters. Has the secrets in it: do not print it.
  [[nodiscard]] std::string uri() const;
  [[nodiscard]] const std::string& bucket() const { return bucket_; }
  [[nodiscard]] const std::string& collection() const { return collection_; }

 private:
  S3Config() = default;
  std::string bucket_;
  std::string collection_;
  std::map<std::string, std::string> parameters_;
};

// bucket and region are required; credentials come from the environment, profile or role unless they are given.
class S3Config::Builder {
 public:
  Builder& bucket(std::string name);
  Builder& region(std::string name);
  Builder& prefix(std::string path);
  Builder& collection(std::string name);  // default: "events"
  Builder& format(SerializationFormat format);
  Builder& compression(Compression compression);
  Builder& key_strategy(KeyGenerationStrategy strategy);
  Builder& max_retries(int count);  // default: 3
  Builder& endpoint_url(std::string url);
  Builder& force_path_style(bool force);
  Builder& access_key_id(std::string id);
  Builder& secret_access_key(std::string secret);
  Builder& session_token(std::string token);
  // Any other option of the s3 connector, or of the format, by its name there: time_column, storage_class, acl, …
  Builder& option(std::string name, std::string value);

  // The error names what is missing, or what does not go together.
  Result<S3Config> build() const;

 private:
  std::map<std::string, std::string> parameters_;
  std::string bucket_;
  std::string collection_ = "events";
  SerializationFormat format_ = SerializationFormat::Json;
  std::optional<Compression> compression_;
};

// Used by one thread.
class S3Destination {
 public:
  // Connects when the first batch is written.
  static Result<S3Destination> create(const S3Config& config, const WriterOptions& options = {});
  S3Destination(S3Destination&&) noexcept;
  S3Destination& operator=(S3Destination&&) noexcept;
  ~S3Destination();

  // Each call lands its events as one object, complete and visible when it returns; the next one with other columns
  // is fine. Larger batches (1,000 to 10,000 events) make better objects.
  Result<void> write_batch(std::span<const std::string> events);  // one JSON object each
  Result<void> write_batch(const BatchPtr& events);
  Result<void> close();

 private:
  explicit S3Destination(std::unique_ptr<DataWriter> writer);
  std::unique_ptr<DataWriter> writer_;
};

}  // namespace sluice
