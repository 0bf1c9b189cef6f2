// What the user says about a bucket and its service.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/credentials.h"
#include "net/http_client.h"
#include "net/url.h"
#include "options/option.h"

namespace sluice::s3 {

struct Settings {
  std::string region;                // to begin with; a bucket elsewhere is followed unless region_given
  bool region_given = false;         // as an option
  std::optional<net::Url> endpoint;  // unset: AWS
  bool path_style = false;           // endpoint/bucket/key instead of bucket.endpoint/key
  bool anonymous = false;
  net::CredentialOptions credentials;
  std::string ca_file;
  int retries_max = 3;
  Millis stall_timeout = net::HttpOptions().stall_timeout;  // no option: for tests that cannot wait
  std::string expected_owner;                               // of every request
  net::HttpHeaders of_objects;  // acl, storage class, encryption, tags: of every object written
};

const std::vector<OptionSpec>& setting_specs();
// Fault::user with one sentence for what does not fit together.
Result<Settings> read_settings(const OptionValues& options, const net::Environment& environment);

}  // namespace sluice::s3
