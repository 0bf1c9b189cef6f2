// What an answer of S3 means: to be tried again, or an error, and which sentence.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "net/backoff.h"
#include "store/s3/client.h"

namespace sluice::s3 {

bool is_expired(const Answer& answer);    // the session token is
bool is_elsewhere(const Answer& answer);  // the bucket is in another region

// How an answer can be retried; empty when it cannot.
std::optional<net::Trouble> trouble_of(const Answer& answer);

// Errors no caller can do anything about: access, credentials, region, clock, bucket.
std::optional<Error> final_error(const Request& request, const Answer& answer, const Settings& settings,
                                 const net::Credentials& credentials, WallTime now);

std::string place_of(const Request& request);  // "s3://bucket/key"
std::string describe(const Answer& answer);    // "the service answers SlowDown (Please reduce your request rate)"

}  // namespace sluice::s3
