// Finds the files that a pattern means.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "port/store.h"

namespace sluice::local {

using KeepFolder = std::function<bool(const std::string&)>;

// See Store::list. A pattern that is the path of a folder means the files in it (with `recursive`: below it); with
// wildcards, `recursive` lets the last component match at any depth and takes all files below a folder that it matches.
// Symbolic links are followed, but a folder is read once: loops and doubles end there, and of two ways to a folder the
// one without links gives its files their paths. With `unreadable`, folders below the literal part of the pattern
// that may not be read are left out and named there.
Result<std::vector<ObjectInfo>> list_files(const Context& context, const std::string& pattern, bool recursive,
                                           const KeepFolder& keep_folder,
                                           std::vector<std::string>* unreadable = nullptr);

// See Store::sample: the walk ends once it has found enough.
Result<Store::Sample> sample_files(const Context& context, const std::string& pattern, bool recursive);

// Empty when nothing is there.
Result<std::optional<ObjectInfo>> stat_file(const std::string& path);

// Calls `found` with every unfinished upload (temp_name.h) in `folder` and below it. A missing folder has none.
Result<void> find_temp_files(const Context& context, const std::string& folder, bool recursive,
                             const std::function<Result<void>(const std::string& path)>& found);

}  // namespace sluice::local
