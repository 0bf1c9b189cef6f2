// The text format's options, checked.
#pragma once

#include <string>

#include "options/option.h"

namespace sluice::text {

enum class LineFeeds { error, space, keep };  // inside values that are written

struct Settings {
  std::string column = "line";
  bool column_given = false;
  std::string encoding = "utf-8";
  LineFeeds line_feeds = LineFeeds::error;
};

}  // namespace sluice::text
