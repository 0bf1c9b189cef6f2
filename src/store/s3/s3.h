// The store of s3://: objects in the buckets of AWS and of services that speak its language.
//
// Reading: ranged GETs that insist on the listed version (If-Match), small objects in one request and ahead of their
// use. Writing: objects below one part (8 MiB) wait in a local spool folder and are put when they are published, larger
// ones are multipart uploads that publishing completes; both only where no other object has the name (If-None-Match).
// See spool.h for the folder, docs/decisions/0005 for why this is our own client.
#pragma once

#include "port/store.h"

namespace sluice {

StoreDescriptor s3_store();

}  // namespace sluice
