#include "batch/utf8.h"

#include <arrow/util/utf8.h>

namespace sluice {

bool is_utf8(std::string_view text) {
  static const bool has_tables = [] {
    arrow::util::InitializeUTF8();
    return true;
  }();
  return has_tables && arrow::util::ValidateUTF8(text);
}

}  // namespace sluice
