#include "store/s3/sweep.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "store/s3/faults.h"

namespace sluice::s3 {
namespace {

// The ids of the unfinished uploads of this very key.
Result<std::set<std::string>> uploads_of(Client& client, Context& context, const Address& address) {
  std::set<std::string> ids;
  Request request;
  request.address.bucket = address.bucket;
  request.about = address.url();
  request.doing = "list the uploads of";
  request.permission = "s3:ListBucketMultipartUploads";
  UploadListing page;
  do {
    request.query = {{"uploads", ""}, {"prefix", address.key}};
    if (!page.next_key.empty()) request.query.emplace_back("key-marker", page.next_key);
    if (!page.next_id.empty()) request.query.emplace_back("upload-id-marker", page.next_id);
    auto answer = TRY(client.send(context, request));
    if (!answer.ok()) return unexpected(request, answer);
    auto listing = parse_uploads(answer.http.body);
    if (!listing.ok()) return std::move(listing).while_doing("listing the uploads of " + request.about).error();
    page = std::move(listing).value();
    for (auto& upload : page.uploads) {
      if (upload.key == address.key) ids.insert(std::move(upload.id));
    }
    // In the order of their keys: this one's come before those that merely begin like it.
  } while (page.next_key == address.key);
  return ids;
}

bool lies_below(const std::string& path, std::string prefix) {
  if (path == prefix) return true;
  if (!prefix.ends_with('/')) prefix += '/';
  return path.starts_with(prefix);
}

struct Left {
  std::string file;
  SpoolRecord record;
};

// Known by its id, or only by its key.
Result<void> abort_left(Client& client, Context& context, const Spool& spool, const SpoolRecord& record) {
  if (record.upload_id.empty()) return abort_unrecorded(client, context, spool, record.address);
  return abort_upload(client, context, record.address, record.upload_id);
}

// A request that was on its way may have begun the upload, or brought it back, behind the abort.
Result<void> look_again(Client& client, Context& context, const Spool& spool, const SpoolRecord& record) {
  if (record.upload_id.empty()) return abort_unrecorded(client, context, spool, record.address);
  auto ids = uploads_of(client, context, record.address);
  if (!ids.ok() && ids.error().fault == Fault::refused) return {};  // not permitted to look
  if (!TRY(std::move(ids)).contains(record.upload_id)) return {};
  return abort_upload(client, context, record.address, record.upload_id);
}

}  // namespace

Result<void> abort_upload(Client& client, Context& context, const Address& address, const std::string& upload_id,
                          Millis once_within) {
  Request request;
  request.once_within = once_within;
  request.method = "DELETE";
  request.address = address;
  request.query = {{"uploadId", upload_id}};
  request.doing = "abort the upload of";
  request.permission = "s3:AbortMultipartUpload";
  auto answer = TRY(client.send(context, request));
  if (!answer.ok() && answer.http.status != 404) return unexpected(request, answer);
  return {};
}

Result<void> abort_unrecorded(Client& client, Context& context, const Spool& spool, const Address& address) {
  auto ids = TRY(uploads_of(client, context, address));
  if (ids.empty()) return {};
  TRY(spool.each([&](const std::string&, const SpoolRecord& record) -> Result<void> {
    ids.erase(record.upload_id);
    return {};
  }));
  for (const auto& id : ids) TRY(abort_upload(client, context, address, id));
  return {};
}

Result<void> sweep_spool(Client& client, Context& context, const Spool& spool, const std::string& prefix,
                         const std::function<bool(const std::string&)>& is_ours) {
  constexpr auto kFresh = std::chrono::seconds(5);
  constexpr Millis kMoment{250};
  std::vector<Left> left;
  TRY(spool.each([&](const std::string& file, const SpoolRecord& record) -> Result<void> {
    bool ours =
        record.service == client.service() && lies_below(record.address.path(), prefix) && is_ours(record.owner);
    if (ours) left.push_back({file, record});
    return {};
  }));
  const auto now = context.clock.wall();
  spool.remove_empty(now);
  auto is_fresh = [&](const Left& one) { return one.record.multipart && now - one.record.written < kFresh; };
  for (const auto& [file, record] : left) {
    if (!record.multipart) continue;
    auto aborted = abort_left(client, context, spool, record);
    if (!aborted.ok() && aborted.error().fault == Fault::refused && record.upload_id.empty()) {
      // Nobody's data depends on it: the records stay, and the next start tries again.
      context.log.warn("an upload that a crash interrupted as it began may be left in the bucket",
                       {{"object", record.address.url()}, {"reason", aborted.error().message()}});
      return {};
    }
    TRY(std::move(aborted));
    crash_point("store.s3.sweep.aborted");
  }
  if (std::any_of(left.begin(), left.end(), is_fresh) && !context.clock.sleep(kMoment, context.stop))
    return cancelled();
  for (const auto& one : left) {
    if (is_fresh(one)) TRY(look_again(client, context, spool, one.record));
    TRY(Spool::remove(one.file));
    crash_point("store.s3.sweep.removed");
  }
  return {};
}

}  // namespace sluice::s3
