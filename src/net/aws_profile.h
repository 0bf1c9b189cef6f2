// The files of the AWS tools: ~/.aws/config and ~/.aws/credentials.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "net/credentials.h"

namespace sluice::net {

struct AwsProfile {
  std::string name;
  bool found = false;                         // in one of the files
  std::map<std::string, std::string> values;  // of both files; those of credentials win
  [[nodiscard]] std::string get(const std::string& key) const;
};

// AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE say where the files are. Files that do not exist are empty.
Result<AwsProfile> read_profile(const Environment& environment, const std::string& name);

}  // namespace sluice::net
