#include "connector/file/file_reader.h"

#include <algorithm>

#include <arrow/api.h>
#include <arrow/io/interfaces.h>

#include "batch/arrow_result.h"
#include "connector/file/byte_stream.h"

namespace sluice::file {
namespace {

// A file that is being written may look cut short. One that was touched this recently is tried again later.
constexpr Millis kStillWritten{10'000};
// Up to this size a file is read at once: with thousands of small ones, system calls are most of the work.
constexpr int64_t kSmallBytes = 64 << 10;

}  // namespace

FileReader::FileReader(const ReadPlan& plan, std::vector<ReadItem> items)
    : plan_(plan), items_(std::make_move_iterator(items.begin()), std::make_move_iterator(items.end())) {}

FileReader::~FileReader() {
  if (current_.has_value()) plan_.ledger.release(current_->work.id);
  for (const auto& item : items_) plan_.ledger.release(item.work.id);
}

Result<Input> FileReader::make_input(Context& context, ReadItem& item) {
  const auto traits = plan_.endpoint.format->traits();
  auto& position = item.work.position;
  Input input;
  input.name = item.work.object.path;
  input.end = position.end;
  input.begin = position.at;
  input.at_record_start = item.work.at_record_start || position.at == 0;
  input.tail = item.work.tail;
  if (traits.random_access) {
    input.file = file_;
    return input;
  }
  if (traits.needs_head && position.at > 0) {
    auto stream = TRY(open_bytes(file_, item.work.codec, 0, input.name));
    auto head = TRY(to_result(stream->Read(Input::head_bytes)));
    input.head = head->ToString();
  }
  // One byte earlier, so that a record starting exactly at the cut is found behind its predecessor's line feed.
  if (!input.at_record_start) --input.begin;
  if (item.work.codec == Codec::none) {
    input.stream = stream_from(file_, input.begin);
  } else {
    auto stored = stream_from(file_, 0);
    input.stream = TRY(open_compressed_bytes(stored, item.work.codec, input.begin, input.name));
    compressed_ = {stored, input.begin, TRY(to_result(stored->Tell()))};
  }
  if (input.begin > 0 && !plan_.decoder.collect_rejects) {
    input.count_lines_before = [file = file_, codec = item.work.codec, begin = input.begin, name = input.name,
                                stop = context.stop] { return count_line_feeds(file, codec, begin, name, stop); };
  }
  return input;
}

// A store behind a network fetches the next small files while this one is decoded.
void FileReader::prefetch(Context& context) {
  constexpr size_t kAhead = 64;
  if (opened_++ % (kAhead / 2) != 0 || items_.size() < 2) return;
  std::vector<ObjectInfo> next;
  for (size_t i = 0; i < std::min(kAhead, items_.size()); ++i) next.push_back(items_[i].work.object);
  plan_.endpoint.store->prefetch(context, next);
}

Result<void> FileReader::open_input(Context& context, ReadItem& item) {
  auto& position = item.work.position;
  file_ = TRY(plan_.endpoint.store->open(context, item.work.object));
  if (!plan_.watch && item.work.object.bytes <= kSmallBytes) {
    file_ = TRY(read_whole(std::move(file_), item.work.object.bytes));
  }
  if (plan_.fingerprints && position.head.bytes < kFingerprintBytes) {
    position.head = TRY(fingerprint_at(*file_, 0, std::min(kFingerprintBytes, item.work.object.bytes)));
  }
  if (decoder_ == nullptr) decoder_ = TRY(plan_.endpoint.format->create_decoder(context, plan_.decoder));
  return decoder_->open(context, TRY(make_input(context, item)));
}

Result<bool> FileReader::open_next(Context& context) {
  while (!items_.empty()) {
    // Rows of different folders differ in their constant columns: those in the decoder come out first.
    // While watching, a file may have to be dropped half-way: its rows are not mixed with others in the decoder.
    if (extras_ != items_.front().extras || plan_.watch) {
      TRY(take_rows());
      constants_.clear();
      extras_ = items_.front().extras;
    }
    prefetch(context);
    current_ = std::move(items_.front());
    items_.pop_front();
    auto opened =
        current_->flaw.has_value() ? Result<void>(*std::move(current_->flaw)) : open_input(context, *current_);
    if (opened.ok()) return true;
    TRY(give_up_current(context, std::move(opened).error()));
  }
  return false;
}

// A decoder reads ahead of its rows, a small file whole: what counts as read are the stored bytes that its rows were.
Result<int64_t> FileReader::bytes_used(const Decoder::Step& step) {
  const auto& work = current_->work;
  if (plan_.endpoint.format->traits().random_access) return step.bytes_read;
  if (work.codec == Codec::none) return std::max<int64_t>(0, step.position - work.position.at);
  auto& [stored, decompressed, used] = compressed_;
  decompressed += step.bytes_read;
  const auto decoded = step.at_end ? decompressed : std::min(step.position, decompressed);
  const double share = decompressed == 0 ? 1 : static_cast<double>(decoded) / static_cast<double>(decompressed);
  const auto now = static_cast<int64_t>(share * static_cast<double>(TRY(to_result(stored->Tell()))));
  return std::max(now, used) - std::exchange(used, std::max(now, used));
}

Result<void> FileReader::finish_current(const Decoder::Step& step) {
  auto& work = current_->work;
  auto& position = work.position;
  position.at = step.position;
  position.done = true;
  // In runs of their own the first bytes of a small file tell enough.
  const bool bytes = !plan_.endpoint.format->traits().random_access && work.codec == Codec::none;
  if (work.tail || (bytes && plan_.fingerprints && position.at > kFingerprintBytes)) {
    const auto last = std::min(kTailBytes, position.at);
    position.tail = TRY(fingerprint_at(*file_, position.at - last, last));
  }
  plan_.ledger.record(work.id, position);
  plan_.ledger.release(work.id);
  progress_.push_back({work.id, position.token()});
  current_.reset();
  file_.reset();
  return {};
}

Result<void> FileReader::give_up_current(Context& context, Error error) {
  auto& work = current_->work;
  const auto& path = work.object.path;
  if (error.fault == Fault::cancelled || error.fault == Fault::bug) return error;
  bool bad_content = error.fault == Fault::user;
  if (plan_.watch) {
    bool gone = !TRY(plan_.endpoint.store->stat(context, path)).has_value();
    auto settled = work.object.modified + kStillWritten;
    auto now = context.clock.wall();
    if (!bad_content || gone || now < settled) {
      // Not lost: a later listing compares it again, under the name and with the permissions it has then.
      context.log.warn("file cannot be read now, it will be tried again",
                       {{"path", path}, {"reason", error.message()}});
      // Rows since the last flush are not delivered: they come again from the position recorded then.
      decoder_.reset();
      plan_.ledger.give_up(work.id, work.object, bad_content && !gone ? settled : now + kTryAgain);
      current_.reset();
      file_.reset();
      return {};
    }
  }
  if (!bad_content || !plan_.decoder.collect_rejects) return error;
  // What the failed step had decoded is delivered, so it counts as read.
  if (auto at = decoder_ != nullptr ? decoder_->reached() : std::nullopt) work.position.at = *at;
  // The decoder's state after an error is not to be trusted for further files, what it can still hand out is.
  std::string unit = plan_.endpoint.format->traits().random_access ? "row" : "byte";
  if (decoder_ != nullptr) TRY(take_rows());
  decoder_.reset();
  Reject reject;
  reject.payload = path;
  reject.where = fmt::format("{} ({} {})", path, unit, work.position.at);  // `dead-letters replay` begins there
  reject.split = work.id;
  reject.reason = fmt::format("{} (the file is given up; what came before {} {} was delivered)", error.message(), unit,
                              work.position.at);
  rejects_.push_back(std::move(reject));
  work.position.done = true;
  plan_.ledger.record(work.id, work.position);
  plan_.ledger.give_up(work.id, work.object);
  progress_.push_back({work.id, work.position.token()});
  current_.reset();
  file_.reset();
  return {};
}

Result<void> FileReader::take_rows() {
  if (decoder_ == nullptr) return {};
  auto batch = TRY(decoder_->take(&rejects_));
  if (batch == nullptr || batch->num_rows() == 0) return {};
  if (extras_ != nullptr && !extras_->empty()) {
    int64_t rows = batch->num_rows();
    if (constants_.empty() || constants_[0]->length() < rows) {
      constants_.clear();
      for (const auto& value : *extras_) {
        constants_.push_back(TRY(to_result(arrow::MakeArrayFromScalar(*value, rows))));
      }
    }
    auto columns = batch->columns();
    for (const auto& constant : constants_) columns.push_back(constant->Slice(0, rows));
    batch = arrow::RecordBatch::Make(plan_.schema, rows, std::move(columns));
  }
  ready_rows_ += batch->num_rows();
  ready_.push_back(std::move(batch));
  return {};
}

bool FileReader::batch_full() const {
  const auto& request = plan_.decoder.request;
  return decoder_full_ || ready_rows_ >= request.batch_rows || unflushed_bytes_ >= 4 * request.batch_bytes;
}

Result<Event> FileReader::flush() {
  TRY(take_rows());
  decoder_full_ = false;
  Rows rows;
  rows.table = plan_.table;
  if (ready_.size() == 1) {
    rows.batch = std::move(ready_[0]);
  } else if (ready_.size() > 1) {
    rows.batch = TRY(to_result(arrow::ConcatenateRecordBatches(ready_)));
  }
  ready_.clear();
  ready_rows_ = 0;
  rows.progress = std::exchange(progress_, {});
  if (current_.has_value()) {
    plan_.ledger.record(current_->work.id, current_->work.position);
    rows.progress.push_back({current_->work.id, current_->work.position.token()});
  }
  for (auto& reject : rejects_) {
    if (reject.split.empty() && !rows.progress.empty()) reject.split = rows.progress.back().split;
  }
  rows.rejects = std::exchange(rejects_, {});
  unflushed_bytes_ = 0;
  rows.source_bytes = std::exchange(unflushed_used_bytes_, 0);
  return Event(std::move(rows));
}

Result<Event> FileReader::next(Context& context, Deadline deadline) {
  for (;;) {
    if (context.stop.stop_requested()) return cancelled();
    if (!current_.has_value() && !TRY(open_next(context))) {
      TRY(take_rows());
      if (ready_.empty() && progress_.empty() && rejects_.empty()) return Event(End{});
      break;
    }
    auto stepped = decoder_->step(context);
    if (!stepped.ok()) {
      TRY(give_up_current(context, std::move(stepped).error()));
      continue;
    }
    const auto& step = stepped.value();
    unflushed_bytes_ += step.bytes_read;
    unflushed_used_bytes_ += TRY(bytes_used(step));
    auto& position = current_->work.position;
    if (step.position != position.at) position.tail = {};
    position.at = step.position;
    current_->work.at_record_start = true;
    decoder_full_ = step.full;
    if (step.at_end) TRY(finish_current(step));
    if (batch_full()) break;
    if (context.clock.steady() >= deadline && unflushed_bytes_ > 0) break;
  }
  return flush();
}

}  // namespace sluice::file
