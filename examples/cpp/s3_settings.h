// What the S3 examples take from the environment: S3_BUCKET, and where it is not AWS, S3_ENDPOINT.
#pragma once

#include <cstdlib>
#include <iostream>
#include <string>

#include <sluice/s3.h>

inline std::string setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != 0 ? value : otherwise;
}

inline sluice::S3Config::Builder config_from_environment() {
  auto builder = sluice::S3Config::builder();
  builder.bucket(setting("S3_BUCKET", "")).region(setting("AWS_REGION", "us-east-1"));
  // MinIO, versitygw and LocalStack answer on one host: the bucket goes into the path.
  if (auto endpoint = setting("S3_ENDPOINT", ""); !endpoint.empty()) {
    builder.endpoint_url(endpoint).force_path_style(true);
  }
  return builder;
}

inline int report(const sluice::Result<void>& result) {
  if (result.ok()) return 0;
  std::cerr << "error: " << result.error().message() << "\n";
  return 1;
}
