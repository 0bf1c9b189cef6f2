// Aborting uploads: those that will never be published, and those that dead processes left.
#pragma once

#include <functional>
#include <string>

#include "store/s3/client.h"
#include "store/s3/spool.h"

namespace sluice::s3 {

// Fine when it is not there any more.
Result<void> abort_upload(Client& client, Context& context, const Address& address, const std::string& upload_id,
                          Millis once_within = Millis(0));

// Aborts the uploads of this key that no record in the spool names: the service began them, and its answer was lost.
Result<void> abort_unrecorded(Client& client, Context& context, const Spool& spool, const Address& address);

// Aborts the upload, or removes the spooled bytes, of everything on record in the spool of this service below `prefix`
// whose owner is ours. What a process that died just now had sent may still be on its way: then it takes a moment.
Result<void> sweep_spool(Client& client, Context& context, const Spool& spool, const std::string& prefix,
                         const std::function<bool(const std::string& owner)>& is_ours);

}  // namespace sluice::s3
