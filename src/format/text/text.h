// Lines of text: one VARCHAR column, a row per line.
//
// Reading: a line ends with LF or CRLF, which is not part of it; the last one may lack it. No line is NULL.
// Writing: the only column, or the one named by `column`, each value followed by LF. NULL cannot be written.
#pragma once

#include "port/format.h"

namespace sluice {

FormatDescriptor text_format();

}  // namespace sluice
