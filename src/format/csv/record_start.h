// Finding record starts in the middle of a file, exactly: every quote before them is looked at.
#pragma once

#include <cstdint>

#include <arrow/io/type_fwd.h>

#include "format/csv/dialect.h"
#include "port/context.h"

namespace sluice::csv {

// Format::next_record_start. What comes before the first data record (byte order mark, skipped lines, header) belongs
// to the first part.
Result<int64_t> next_record_start(Context& context, const Dialect& dialect, arrow::io::RandomAccessFile& file,
                                  int64_t record_start, int64_t at_least);

}  // namespace sluice::csv
