#include "connector/file/file_connector.h"

#include "connector/file/endpoint.h"
#include "connector/file/file_sink.h"
#include "connector/file/file_source.h"

namespace sluice {
namespace {

ConnectorDescriptor over(std::string_view scheme) {
  ConnectorDescriptor connector;
  connector.name = scheme;
  connector.schemes = {scheme};
  auto options = file::own_options(scheme);
  connector.options.assign(options.begin(), options.end());
  connector.uses_formats = true;
  connector.create_source = file::FileSource::create;
  connector.create_sink = file::FileSink::create;
  return connector;
}

}  // namespace

ConnectorDescriptor file_connector() {
  auto connector = over("file");
  connector.doc =
      "Files, folders and globs in any format, compressed or not; read once or watched, written atomically.";
  connector.examples = {
      "SELECT * FROM file('data/*.csv?header=true')",
      "SELECT * FROM file('logs/', format := 'json', watch := true)",
      "INSERT INTO file('lake/orders/', format := 'parquet', partition_by := ['day'])",
      "INSERT INTO file('out/orders.jsonl.zst')",
  };
  return connector;
}

ConnectorDescriptor s3_connector() {
  auto connector = over("s3");
  connector.doc =
      "Objects in S3 and in stores that speak as it does, in any format; read by parallel ranges, written by multipart "
      "uploads that appear whole or not at all.";
  connector.examples = {
      "SELECT * FROM s3('logs/2025/**/*.json.gz', region := 'eu-west-1')",
      "INSERT INTO s3('lake/events/', region := 'eu-west-1', format := 'parquet', key_strategy := 'HivePartitioned', "
      "time_column := 'at')",
      "INSERT INTO s3('lake/orders/', endpoint_url := 'http://localhost:9000', force_path_style := true, "
      "partition_by := 'country')",
  };
  return connector;
}

}  // namespace sluice
