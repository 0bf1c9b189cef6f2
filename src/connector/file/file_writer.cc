#include "connector/file/file_writer.h"

#include <algorithm>

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <nlohmann/json.hpp>

#include "batch/utf8.h"

namespace sluice::file {

namespace {

constexpr int64_t kBufferShare = 4;
constexpr int64_t kWorthClosing = 16;  // a part of that share

}  // namespace

std::string upload_owner(const std::string& pipeline, Generation generation) {
  return fmt::format("{}/{}", pipeline, generation);
}

FirstRow first_row_of(const Rows& rows) {
  if (rows.progress.empty()) return {};
  return {rows.progress.front().split, rows.progress.front().upto.token};
}

ClosedFiles::~ClosedFiles() {
  context_.stop = {};
  for (const auto& file : files_) {
    auto discarded = target_.endpoint->store->discard(context_, file.token);
    if (discarded.ok()) continue;
    context_.log.warn("could not remove an undecided file", {{"error", discarded.error().message()}});
    return;  // nor will the next one go
  }
}

Result<std::vector<Prepared>> ClosedFiles::prepare(Context& context) {
  if (!files_.empty()) TRY(target_.endpoint->store->sync(context));
  auto remove = target_.replaced->take();
  if (files_.empty() && remove.empty()) return std::vector<Prepared>{};
  Prepared prepared;
  auto tokens = nlohmann::json::array();
  for (auto& file : std::exchange(files_, {})) {
    tokens.push_back(std::move(file.token));
    prepared.rows += file.rows;
    prepared.bytes += file.bytes;
    ++prepared.objects;
  }
  nlohmann::json payload = {{"publish", std::move(tokens)}};
  for (const auto& path : remove) {  // what an epoch is made of is on record as JSON
    if (!is_utf8(path)) return refused("cannot replace {}: its name is not UTF-8; remove it first", as_utf8(path));
  }
  if (!remove.empty()) payload["remove"] = std::move(remove);
  prepared.payload = payload.dump();
  return std::vector<Prepared>{std::move(prepared)};
}

FileWriter::FileWriter(const Context& context, Target& target, const WriterId& id)
    : target_(target),
      owner_(upload_owner(id.pipeline, id.generation)),
      names_(target, id.pipeline, id.lane),
      closed_(context, target) {}

FileWriter::~FileWriter() {
  if (target_.buffered != nullptr) *target_.buffered -= buffered_;
}

bool FileWriter::crowded(const Context& context) {
  if (target_.buffered == nullptr) return false;
  const int64_t before = std::exchange(buffered_, file_ == nullptr ? 0 : file_->bytes_buffered());
  const int64_t all = target_.buffered->fetch_add(buffered_ - before) + buffered_ - before;
  return all > context.memory.limit() / kBufferShare;
}

Result<void> FileWriter::open(Context& context, const SchemaPtr& schema, const std::string& table,
                              const FirstRow& first, WallTime timestamp) {
  std::string path = target_.path;
  if (target_.exact) {
    if (target_.endpoint->one_off && target_.resumed && target_.if_exists == IfExists::replace) {
      return refused(
          "{} holds what an earlier run of this statement delivered, and there are more rows now; run "
          "'sluice drop {}' to begin anew",
          path, context.pipeline);
    }
    if (target_.if_exists == IfExists::fail && TRY(target_.endpoint->store->stat(context, path)).has_value()) {
      return refused(
          "{} exists already; say if_exists := 'replace', or end the location with '/' to write a folder of "
          "files",
          path);
    }
  } else {
    bucket_ = target_.layout.bucket_of(timestamp);
    path = TRY(names_.next(context, target_.layout.date_folder(bucket_), table, first, timestamp));
  }
  file_ = TRY(OutputFile::open(context, target_, path, owner_, schema));
  opened_ = context.clock.steady();
  return {};
}

Result<void> FileWriter::close(Context& context) {
  closed_.add(TRY(file_->finish(context)));
  file_.reset();
  return {};
}

Result<WriteAck> FileWriter::write(Context& context, const Rows& rows) {
  WriteAck ack;
  if (rows.batch == nullptr || rows.batch->num_rows() == 0) return ack;
  const auto& batch = *rows.batch;
  if (file_ != nullptr && !target_.exact && !file_->schema()->Equals(*batch.schema())) TRY(close(context));
  written_ = context.clock.steady();
  auto arrived = context.clock.wall();
  if (file_ != nullptr && !target_.exact && target_.layout.bucket_of(arrived) != bucket_) TRY(close(context));
  for (int64_t done = 0; done < batch.num_rows();) {
    if (file_ == nullptr) {
      auto timestamp = TRY(target_.layout.timestamp_of(batch, done, arrived));
      TRY(open(context, batch.schema(), rows.table.name, first_row_of(rows), timestamp));
    }
    auto count = std::min(batch.num_rows() - done, target_.rotation.rows - file_->rows());
    if (count == batch.num_rows()) {
      TRY(file_->write(batch));
    } else {
      TRY(file_->write(*batch.Slice(done, count)));
    }
    done += count;
    if (file_->rows() >= target_.rotation.rows || file_->bytes() >= target_.rotation.bytes) TRY(close(context));
  }
  ack.wants_cut = TRY(tick(context)).wants_cut || crowded(context);
  if (ack.wants_cut && target_.replaces && file_ != nullptr &&
      buffered_ > context.memory.limit() / kBufferShare / kWorthClosing) {
    TRY(close(context));  // no cut may come that does it
    (void)crowded(context);
  }
  return ack;
}

Result<WriteAck> FileWriter::tick(Context& context) {
  WriteAck ack;
  if (file_ == nullptr || target_.exact) return ack;
  auto now = context.clock.steady();
  if (now - opened_ < target_.rotation.age && now - written_ < target_.rotation.idle) return ack;
  TRY(close(context));
  ack.wants_cut = true;
  return ack;
}

Result<std::vector<Prepared>> FileWriter::prepare(Context& context, Epoch) {
  crash_point("file.prepare.before");
  // An empty result still is a result: the file that was asked for, without rows.
  bool empty = target_.exact && file_ == nullptr && !exact_written_ && target_.endpoint->one_off && !target_.resumed;
  if (empty) TRY(open(context, target_.schema, "", {}, context.clock.wall()));
  if (file_ != nullptr && target_.exact && std::exchange(exact_written_, true)) {
    return refused("{} holds one epoch's rows and there are more; end the location with '/' to write a folder of files",
                   target_.path);
  }
  if (file_ != nullptr) TRY(close(context));
  (void)crowded(context);  // it holds nothing any more
  auto prepared = TRY(closed_.prepare(context));
  crash_point("file.prepare.after");
  return prepared;
}

}  // namespace sluice::file
