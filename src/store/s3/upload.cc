#include "store/s3/upload.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include <arrow/io/interfaces.h>

#include "base/heap.h"
#include "batch/arrow_result.h"
#include "store/s3/faults.h"
#include "store/s3/sweep.h"
#include "store/s3/token.h"

namespace sluice::s3 {
namespace {

constexpr int64_t kPartBytes = 8 << 20;
constexpr size_t kPartsInFlight = 4;
// Of parts that had to be spilled: their pages, which the request maps, count as this process's memory, too.
constexpr size_t kSpilledInFlight = 1;
constexpr int64_t kMemoryStep = 64 << 10;
// Buffers of parts grow by doubling and go after their request: PostgreSQL into Parquet on S3 peaked at 198 MB, with
// blocks from here on given back at once 174 MB.
constexpr size_t kGiveBackBytes = 2 << 20;

// Bytes that one upload may hold in memory.
class Allowance {
 public:
  Allowance(MemoryShare& share, Budget& budget) : share_(&share), budget_(&budget) {}
  Allowance(Allowance&& other) noexcept
      : share_(other.share_),
        budget_(other.budget_),
        bytes_(std::exchange(other.bytes_, 0)),
        held_(std::exchange(other.held_, {})) {}
  Allowance& operator=(Allowance&&) = delete;
  ~Allowance() = default;

  [[nodiscard]] int64_t bytes() const { return bytes_; }
  bool grow_to(int64_t bytes) {
    if (bytes <= bytes_) return true;
    auto more = share_->take(*budget_, bytes - bytes_);
    if (!more.has_value()) return false;
    held_.push_back(std::move(*more));
    bytes_ = bytes;
    return true;
  }
  void give_back() {
    bytes_ = 0;
    held_.clear();
  }

 private:
  MemoryShare* share_;
  Budget* budget_;
  int64_t bytes_ = 0;
  std::vector<MemoryShare::Held> held_;
};

// A part under way. The request goes first when this is destroyed, its bytes after it.
struct Part {
  Allowance allowance;
  std::unique_ptr<std::string> memory;  // on the heap: the request's view of it survives a move
  std::optional<MappedFile> file;
  Client::Pending pending;
};

class ObjectStream final : public arrow::io::OutputStream {
 public:
  ObjectStream(Uploads& uploads, const Context& context, Address address, std::string owner, IfExists if_exists,
               std::string marker)
      : uploads_(uploads), context_(context), owner_(std::move(owner)), allowance_(uploads.memory, context.memory) {
    token_.address = std::move(address);
    token_.if_exists = if_exists;
    token_.marker = std::move(marker);
  }
  ~ObjectStream() override {
    if (!finished_) abandon();
  }
  ObjectStream(const ObjectStream&) = delete;
  ObjectStream& operator=(const ObjectStream&) = delete;

  arrow::Status Close() override { return arrow::Status::OK(); }
  [[nodiscard]] bool closed() const override { return finished_; }
  [[nodiscard]] arrow::Result<int64_t> Tell() const override { return token_.bytes; }
  using arrow::io::OutputStream::Write;
  arrow::Status Write(const void* data, int64_t nbytes) override {
    if (failed_.has_value()) return to_arrow(*failed_);
    if (finished_) return arrow::Status::Invalid(token_.address.url(), " is finished");
    auto done = take({static_cast<const char*>(data), static_cast<size_t>(nbytes)});
    if (done.ok()) return arrow::Status::OK();
    failed_ = done.error();  // a gap spoils the object for good
    return to_arrow(*failed_);
  }

  Result<std::string> complete(bool durable) {
    if (failed_.has_value()) return *failed_;
    if (token_.upload_id.empty()) {
      TRY(spill());
      if (durable) {
        TRY(uploads_.spool.make_durable(data_file_));
      } else {
        uploads_.spool.touch(data_file_);
      }
      token_.spool = data_file_;
    } else {
      if (unsent() > 0) TRY(send_part());
      while (!parts_.empty()) TRY(await_part());
    }
    crash_point("store.s3.finish");
    finished_ = true;
    return render(token_);
  }

 private:
  [[nodiscard]] int64_t unsent() const { return static_cast<int64_t>(memory_->size()) + file_bytes_; }

  Result<void> take(std::string_view bytes) {
    while (!bytes.empty()) {
      auto room = static_cast<size_t>(part_bytes(sent_) - unsent());
      auto piece = bytes.substr(0, room);
      TRY(gather(piece));
      token_.bytes += static_cast<int64_t>(piece.size());
      bytes.remove_prefix(piece.size());
      if (unsent() == part_bytes(sent_)) TRY(send_part());
    }
    return {};
  }

  Result<void> gather(std::string_view piece) {
    auto size = static_cast<int64_t>(memory_->size() + piece.size());
    if (size > allowance_.bytes()) {
      int64_t more = std::min(std::max(allowance_.bytes() * 2, (size + kMemoryStep - 1) / kMemoryStep * kMemoryStep),
                              std::max(part_bytes(sent_), size));
      // A part that has begun to spill goes on doing so, in pieces worth a system call.
      bool allowed = (file_bytes_ == 0 || size <= kMemoryStep) && allowance_.grow_to(more);
      if (!allowed) {
        TRY(spill());
        TRY(uploads_.spool.append(data_file_, piece));
        file_bytes_ += static_cast<int64_t>(piece.size());
        return {};
      }
      memory_->reserve(static_cast<size_t>(allowance_.bytes()));
    }
    memory_->append(piece);
    return {};
  }

  // What is in memory goes to the spool file, which is there afterwards in any case.
  Result<void> spill() {
    if (data_file_.empty()) {
      data_file_ = TRY(uploads_.spool.create(record(/*multipart=*/false)));
    }
    TRY(uploads_.spool.append(data_file_, *memory_));
    file_bytes_ += static_cast<int64_t>(memory_->size());
    memory_ = std::make_unique<std::string>();
    allowance_.give_back();
    return {};
  }

  Result<void> send_part() {
    if (token_.upload_id.empty()) TRY(create_upload());
    Part part{std::move(allowance_), {}, {}, {}};
    if (file_bytes_ > 0) {
      TRY(spill());
      part.file = TRY(MappedFile::open(data_file_));
      if (!part.file.has_value()) return refused("the spool file {} was removed while it was written", data_file_);
      TRY(Spool::remove(std::exchange(data_file_, {})));  // the mapping keeps the bytes
    } else {
      part.memory = std::exchange(memory_, std::make_unique<std::string>());
    }
    file_bytes_ = 0;
    ++sent_;
    const size_t most = part.file.has_value() ? kSpilledInFlight : kPartsInFlight;
    while (parts_.size() >= most) TRY(await_part());
    Request request;
    request.method = "PUT";
    request.address = token_.address;
    request.query = {{"partNumber", std::to_string(sent_)}, {"uploadId", token_.upload_id}};
    request.body = part.file.has_value() ? part.file->bytes() : std::string_view(*part.memory);
    request.doing = "write";
    request.permission = "s3:PutObject";
    part.pending = TRY(uploads_.client.start(context_, std::move(request)));
    parts_.push_back(std::move(part));
    crash_point("store.s3.part");
    return {};
  }

  Result<void> await_part() {
    Part part = std::move(parts_.front());
    parts_.pop_front();
    Request request = part.pending.request;
    auto answer = TRY(uploads_.client.finish(context_, std::move(part.pending)));
    if (answer.is("NoSuchUpload")) {
      return refused("cannot write {}: somebody aborted its upload", token_.address.url());
    }
    if (!answer.ok()) return unexpected(request, answer);
    token_.etags.push_back(without_quotes(answer.http.header("etag")));
    return {};
  }

  Result<void> create_upload() {
    Request request;
    request.method = "POST";
    request.address = token_.address;
    request.query = {{"uploads", ""}};
    request.headers = uploads_.client.settings().of_objects;
    request.headers.emplace_back(kMarkerHeader, token_.marker);
    request.doing = "write";
    request.permission = "s3:PutObject";
    // On record before the service knows of it: after a crash only the record tells that the upload is ours to abort.
    token_.spool = TRY(uploads_.spool.create(record(/*multipart=*/true)));
    TRY(uploads_.spool.make_durable(token_.spool));
    crash_point("store.s3.create.before");
    auto sent = uploads_.client.send(context_, request);
    crash_point("store.s3.create.after");
    bool denied = sent.ok() ? !sent->ok() && sent->tries == 1
                            : sent.error().fault == Fault::refused || sent.error().fault == Fault::user;
    if (denied) (void)Spool::remove(token_.spool);  // nothing was begun
    auto answer = TRY(std::move(sent));
    if (!answer.ok()) return unexpected(request, answer);
    auto id = TRY(parse_upload_id(answer.http.body));
    // Not made durable: without the id the record says enough.
    auto added = uploads_.spool.add_upload_id(token_.spool, id);
    token_.upload_id = std::move(id);
    TRY(std::move(added));
    if (answer.tries == 1) return {};
    auto aborted = abort_unrecorded(uploads_.client, context_, uploads_.spool, token_.address);
    if (aborted.ok()) return {};
    context_.log.warn("an earlier try to begin the upload may be left in the bucket",
                      {{"object", token_.address.url()}, {"reason", aborted.error().message()}});
    return {};
  }

  [[nodiscard]] SpoolRecord record(bool multipart) const {
    return {owner_, uploads_.client.service(), token_.address, multipart, {}};
  }

  // Best effort and within a second, also when the pipeline is being stopped: what is left is swept by its record.
  void abandon() {
    parts_.clear();
    if (!data_file_.empty()) (void)Spool::remove(data_file_);
    if (token_.upload_id.empty()) return;
    Request request;
    request.method = "DELETE";
    request.address = token_.address;
    request.query = {{"uploadId", token_.upload_id}};
    request.doing = "abort the upload of";
    request.permission = "s3:AbortMultipartUpload";
    request.once_within = Millis(900);
    Context context = context_;
    context.stop = {};
    auto answer = uploads_.client.send(context, request);
    if (answer.ok() && (answer->ok() || answer->http.status == 404)) (void)Spool::remove(token_.spool);
  }

  Uploads& uploads_;
  Context context_;
  const std::string owner_;
  Token token_;
  Allowance allowance_;                                                    // of memory_
  std::unique_ptr<std::string> memory_ = std::make_unique<std::string>();  // the end of the part being gathered,
  std::string data_file_;                                                  // behind what is in this file of the spool
  int64_t file_bytes_ = 0;
  size_t sent_ = 0;
  std::deque<Part> parts_;
  std::optional<Error> failed_;
  bool finished_ = false;
};

class ObjectUpload final : public Upload {
 public:
  explicit ObjectUpload(std::shared_ptr<ObjectStream> stream) : stream_(std::move(stream)) {}
  std::shared_ptr<arrow::io::OutputStream> stream() override { return stream_; }
  Result<std::string> finish(Context&) override { return stream_->complete(/*durable=*/true); }
  Result<std::string> finish_later(Context&) override { return stream_->complete(/*durable=*/false); }

 private:
  std::shared_ptr<ObjectStream> stream_;
};

}  // namespace

int64_t part_bytes(size_t part) { return kPartBytes << std::min<size_t>(part / 1000, 9); }

Result<std::unique_ptr<Upload>> begin_upload(Uploads& uploads, const Context& context, const std::string& path,
                                             const std::string& owner, IfExists if_exists) {
  auto address = address_of(path);
  if (address.key.empty() || address.key.ends_with('/')) {
    return user_error("{} is no name for an object: it ends where a name has to follow", address.url());
  }
  if (address.key.size() > 1024) {
    return user_error("an object's key has at most 1,024 bytes; {} has {}", address.url(), address.key.size());
  }
  return_blocks_at_once(kGiveBackBytes);
  auto marker = TRY(random_hex());
  return std::unique_ptr<Upload>(std::make_unique<ObjectUpload>(
      std::make_shared<ObjectStream>(uploads, context, std::move(address), owner, if_exists, std::move(marker))));
}

}  // namespace sluice::s3
