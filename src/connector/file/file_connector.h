// The connector of everything that is a file: any store × any format, both looked up in the Registry. Reads files,
// folders and globs once or watches them; writes exact files, folders and Hive partitions. See docs/guides and:
//   file_source.h  what to read and from where on     file_sink.h  what to write and under which names
#pragma once

#include "port/registry.h"

namespace sluice {

ConnectorDescriptor file_connector();
// The same over buckets, read once; what is written gets dates in its keys by default.
ConnectorDescriptor s3_connector();

}  // namespace sluice
