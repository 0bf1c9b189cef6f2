// Finds the objects that a pattern means.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "port/store.h"
#include "store/s3/client.h"

namespace sluice::s3 {

using KeepFolder = std::function<bool(const std::string&)>;

// See Store::list. A name that is no object but has some below it is a folder. Zero-byte keys ending in '/', with which
// consoles mark folders, are no objects.
Result<std::vector<ObjectInfo>> list_objects(Client& client, Context& context, const std::string& pattern,
                                             bool recursive, const KeepFolder& keep_folder);

// See Store::sample: a few pages of keys; where those are not all, one level of folders and a page from some of them.
Result<Store::Sample> sample_objects(Client& client, Context& context, const std::string& pattern, bool recursive);

// What the service says of one object; empty when there is none. Who may list only by prefix (as a minimal policy has
// it) is told "access denied" of a name that is not there: HEAD bears no prefix. Then a listing of that name decides.
Result<std::optional<Answer>> head_object(Client& client, Context& context, const Address& address);

// Empty when there is none.
Result<std::optional<ObjectInfo>> stat_object(Client& client, Context& context, const std::string& path);

}  // namespace sluice::s3
