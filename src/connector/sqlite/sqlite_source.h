// A table of an SQLite file as a source, read in the order of its rowids. The position is the last rowid, so a later
// run delivers the rows added since. One split; each batch is one short read transaction up to the largest rowid there
// was at the start: rows that are changed or deleted meanwhile come as they are when their batch is read.
#pragma once

#include <memory>
#include <string>

#include "port/source.h"

namespace sluice::sqlite {

// Opens the file: a missing file or table, a view, and a table WITHOUT ROWID are Fault::user.
Result<std::unique_ptr<Source>> sqlite_source(const std::string& path, const std::string& table);

}  // namespace sluice::sqlite
