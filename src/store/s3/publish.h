// Making finished uploads visible, and undoing those that never will be.
#pragma once

#include <span>
#include <string>

#include "port/store.h"
#include "store/s3/client.h"
#include "store/s3/spool.h"

namespace sluice::s3 {

// See Store::publish_all: a few requests are under way at a time.
Result<void> publish_tokens(Client& client, Context& context, std::span<const std::string> tokens);

// Aborts the upload, removes the spooled bytes. What is published stays.
Result<void> discard_token(Client& client, Context& context, const std::string& token);

// Begins and aborts an upload below `prefix`, and looks at one page of what is there: the permissions that writing
// needs.
Result<void> probe_prefix(Client& client, Context& context, const std::string& prefix);

Result<void> remove_object(Client& client, Context& context, const std::string& path);

}  // namespace sluice::s3
