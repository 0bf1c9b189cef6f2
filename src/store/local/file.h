// A local file opened for reading.
#pragma once

#include <memory>

#include <arrow/io/interfaces.h>

#include "base/result.h"
#include "port/store.h"

namespace sluice::local {

// Fails with Fault::transient when the path has become another file than the one that was listed.
Result<std::shared_ptr<arrow::io::RandomAccessFile>> open_file(const ObjectInfo& object);

}  // namespace sluice::local
