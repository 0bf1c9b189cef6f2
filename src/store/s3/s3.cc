#include "store/s3/s3.h"

#include <algorithm>

#include "store/s3/client.h"
#include "store/s3/file.h"
#include "store/s3/prefetch.h"
#include "store/s3/publish.h"
#include "store/s3/settings.h"
#include "store/s3/spool.h"
#include "store/s3/sweep.h"
#include "store/s3/upload.h"
#include "store/s3/walk.h"

namespace sluice {
namespace {

using namespace s3;

class S3Store final : public Store {
 public:
  S3Store(std::unique_ptr<Client> client, const net::Environment& environment)
      : client_(std::move(client)),
        spool_(environment),
        uploads_{*client_, spool_, upload_memory_},
        prefetch_(*client_, read_memory_) {}

  [[nodiscard]] bool version_is_content() const override { return true; }

  Result<std::vector<ObjectInfo>> list(Context& context, const std::string& pattern, bool recursive,
                                       const std::function<bool(const std::string&)>& keep_folder) override {
    return list_objects(*client_, context, pattern, recursive, keep_folder);
  }
  Result<Sample> sample(Context& context, const std::string& pattern, bool recursive) override {
    return sample_objects(*client_, context, pattern, recursive);
  }
  Result<std::optional<ObjectInfo>> stat(Context& context, const std::string& path) override {
    return stat_object(*client_, context, path);
  }
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> open(Context& context, const ObjectInfo& object) override {
    return open_object(*client_, read_memory_, context, object, prefetch_.take(object));
  }
  void prefetch(Context& context, std::span<const ObjectInfo> objects) override { prefetch_.start(context, objects); }

  Result<std::unique_ptr<Upload>> begin(Context& context, const std::string& path, const std::string& owner,
                                        IfExists if_exists) override {
    return begin_upload(uploads_, context, path, owner, if_exists);
  }
  Result<void> publish(Context& context, const std::string& token) override {
    return publish_tokens(*client_, context, {&token, 1});
  }
  Result<void> publish_all(Context& context, std::span<const std::string> tokens) override {
    return publish_tokens(*client_, context, tokens);
  }
  Result<void> sync(Context&) override { return spool_.sync(); }
  Result<void> discard(Context& context, const std::string& token) override {
    return discard_token(*client_, context, token);
  }
  Result<void> sweep(Context& context, const std::string& prefix,
                     const std::function<bool(const std::string&)>& is_ours) override {
    return sweep_spool(*client_, context, spool_, prefix, is_ours);
  }
  Result<void> remove(Context& context, const std::string& path) override {
    return remove_object(*client_, context, path);
  }
  Result<void> probe(Context& context, const std::string& prefix) override {
    return probe_prefix(*client_, context, prefix);
  }

  Result<void> wait_for_change(Context& context, const std::string&, Deadline deadline) override {
    auto left = std::chrono::ceil<Millis>(deadline - context.clock.steady());
    if (left.count() > 0) context.clock.sleep(left, context.stop);
    return {};
  }

 private:
  const std::unique_ptr<Client> client_;
  MemoryShare upload_memory_;
  MemoryShare read_memory_;
  Spool spool_;
  Uploads uploads_;
  Prefetch prefetch_;  // before the client goes: its requests are cancelled
};

Result<std::unique_ptr<Store>> create_s3_store(const Location&, const OptionValues& options) {
  auto environment = net::process_environment();
  auto settings = TRY(read_settings(options, environment));
  auto client = TRY(Client::create(std::move(settings), environment));
  return std::unique_ptr<Store>(std::make_unique<S3Store>(std::move(client), environment));
}

Result<std::string> bucket_and_key(const Location& location) {
  if (location.hosts.empty() || location.hosts[0].host.empty()) {
    return user_error("an S3 location needs a bucket, such as s3://bucket/folder/*.parquet");
  }
  return location.hosts[0].host + "/" + location.path;
}

}  // namespace

StoreDescriptor s3_store() {
  StoreDescriptor descriptor;
  descriptor.scheme = "s3";
  descriptor.doc = "Objects in buckets of S3 and of services that speak its language.";
  descriptor.options = setting_specs();
  descriptor.create = create_s3_store;
  descriptor.path_of = bucket_and_key;
  return descriptor;
}

}  // namespace sluice
