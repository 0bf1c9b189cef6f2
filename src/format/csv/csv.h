// Comma-separated values as in RFC 4180, and tab-separated ones: the same format with other defaults.
//
// Reading. A field may be quoted; a quoted one may hold delimiters, line feeds and doubled quotes. A quote inside an
// unquoted field is an error (`quote := ''` makes quotes ordinary). Lines end with LF or CRLF; empty lines are skipped
// unless there is one column only. The unquoted null string (default: nothing) is NULL; a quoted '' is the empty text.
// In columns other than VARCHAR an empty field is NULL, quoted or not, and blanks around a value do not matter.
// Types are inferred from `sample_rows` rows: BIGINT, DOUBLE, BOOLEAN (true, false), DATE (YYYY-MM-DD), TIMESTAMP
// (YYYY-MM-DD hh:mm[:ss[.fraction]], 'T' for the blank; TIMESTAMP WITH TIME ZONE when all of them end in Z or
// ±hh[:mm]), else VARCHAR. Whole numbers that do not fit BIGINT, and columns where some value has a leading zero
// ('007'), stay VARCHAR. A column without any value has the type NULL until another file or `columns` gives it one; it
// is read as VARCHAR. Columns are found by their name in each file's header, without a header by their place. A row
// with too few or too many values is an error, and so is text that is not valid in the file's encoding.
//
// Writing. A header line, LF, quotes where needed. NULL is the null string, and text equal to it is quoted. Timestamps
// are YYYY-MM-DD hh:mm:ss[.fraction] with Z when they have a zone, BLOB is \x and hexadecimal digits, lists, structs
// and maps are JSON.
#pragma once

#include "port/format.h"

namespace sluice {

FormatDescriptor csv_format();
FormatDescriptor tsv_format();

}  // namespace sluice
