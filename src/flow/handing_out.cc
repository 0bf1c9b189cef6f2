#include "flow/handing_out.h"

#include <arrow/api.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "flow/simulation.h"

namespace sluice::simulation {
namespace {

constexpr int kBatch = 5;
constexpr Millis kUnaware{150};

// Ours as long as this lives; the kernel gives it up when the process ends.
class LockedFile {
 public:
  static std::unique_ptr<LockedFile> try_take(const std::string& path) {
    std::unique_ptr<LockedFile> file(new LockedFile(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)));
    if (file->fd_ < 0 || ::flock(file->fd_, LOCK_EX | LOCK_NB) != 0) return nullptr;
    return file;
  }
  LockedFile(const LockedFile&) = delete;
  LockedFile& operator=(const LockedFile&) = delete;
  ~LockedFile() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  explicit LockedFile(int fd) : fd_(fd) {}
  int fd_;
};

class NumberedReader final : public Reader {
 public:
  NumberedReader(std::string split, int at, int end, std::atomic<int>& batches)
      : split_(std::move(split)), at_(at), end_(end), batches_(batches) {}

  Result<Event> next(Context& context, Deadline) override {
    context.clock.sleep(Millis(at_ == end_ ? 5 : 2), context.stop);
    if (at_ == end_) return Event(Idle{});
    arrow::Int64Builder builder;
    const int end = std::min(at_ + kBatch, end_);
    for (; at_ < end; ++at_) {
      if (!builder.Append(int64_t{to_int(split_)} * 1'000'000 + at_).ok()) return bug("out of memory");
    }
    Rows rows;
    auto numbers = builder.Finish().ValueOrDie();
    rows.batch =
        arrow::RecordBatch::Make(arrow::schema({arrow::field("n", arrow::int64())}), numbers->length(), {numbers});
    rows.progress.push_back({split_, Position{std::to_string(at_)}});
    ++batches_;
    return Event(std::move(rows));
  }

 private:
  const std::string split_;
  int at_;
  const int end_;
  std::atomic<int>& batches_;
};

class HandingOutSource final : public Source {
 public:
  explicit HandingOutSource(HandingOut& group) : group_(group) {
    std::filesystem::create_directories(group.folder + "/members");
    become_member();
  }

  [[nodiscard]] SourceTraits traits() const override {
    SourceTraits traits;
    traits.streaming = true;
    traits.shares_work = true;
    return traits;
  }
  Result<SchemaPtr> fetch_schema(Context&) override { return arrow::schema({arrow::field("n", arrow::int64())}); }
  Result<SchemaPtr> adopt_schema(Context&, const SchemaChange& change) override { return change.after; }
  Result<Planned> plan(Context& context, const ReadRequest&) override {
    return Planned{TRY(fetch_schema(context)), Pushed{}};
  }
  Result<void> start(Context&, const Positions& durable) override {
    durable_ = durable;
    handed_out_.clear();
    if (!going_.empty()) owned_.erase(std::exchange(going_, {}));
    return {};
  }
  Result<SplitEvents> poll_splits(Context& context, Deadline) override {
    SplitEvents events;
    lose_one(context, events);
    const size_t share = fair_share();
    if (owned_.size() > share && going_.empty()) {
      going_ = owned_.rbegin()->first;
      events.revoked.push_back(going_);
    }
    for (int i = 0; i < group_.splits && owned_.size() < share && going_.empty(); ++i) {
      const SplitId split = std::to_string(i);
      if (owned_.contains(split)) continue;
      if (auto lock = LockedFile::try_take(group_.folder + "/split-" + split)) owned_[split] = std::move(lock);
    }
    for (const auto& [split, lock] : owned_) {
      if (split == going_ || !handed_out_.insert(split).second) continue;
      Split added;
      added.id = split;
      added.endless = true;
      events.added.push_back(std::move(added));
    }
    return events;
  }
  Result<std::unique_ptr<Reader>> create_reader(Context&, std::span<const Split> splits) override {
    const auto& split = splits.front().id;
    auto from = durable_.find(split);
    return std::unique_ptr<Reader>(std::make_unique<NumberedReader>(
        split, from == durable_.end() ? 0 : to_int(from->second.token), group_.rows_per_split, batches_));
  }
  Result<void> released(Context&, const SplitId& split) override {
    owned_.erase(split);
    if (split == going_) going_.clear();
    return {};
  }

 private:
  void become_member() {
    static std::atomic<int> number{0};
    membership_ = LockedFile::try_take(fmt::format("{}/members/{}-{}", group_.folder, ::getpid(), ++number));
  }

  // The group takes this member for dead and gives its first split to another; flow hears of it only later.
  void lose_one(Context& context, SplitEvents& events) {
    const bool due = group_.unaware_after > 0 && batches_ >= group_.unaware_after && group_.losses == 0;
    if (due && lost_.empty() && !owned_.empty()) {
      membership_.reset();
      lost_ = owned_.begin()->first;
      owned_[lost_] = nullptr;
      aware_at_ = context.clock.steady() + kUnaware;
    }
    if (lost_.empty() || context.clock.steady() < aware_at_) return;
    become_member();
    owned_.erase(lost_);
    events.lost.push_back(std::exchange(lost_, {}));
    ++group_.losses;
  }

  [[nodiscard]] size_t fair_share() const {
    size_t members = 1;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(group_.folder + "/members", ignored)) {
      if (LockedFile::try_take(entry.path()) == nullptr) ++members;
    }
    if (membership_ != nullptr) --members;  // it is among the files
    const auto splits = static_cast<size_t>(group_.splits);
    return (splits + members - 1) / std::max<size_t>(1, members);
  }

  HandingOut& group_;
  std::unique_ptr<LockedFile> membership_;
  Positions durable_;
  std::map<SplitId, std::unique_ptr<LockedFile>> owned_;
  std::set<SplitId> handed_out_;
  SplitId going_;  // revoked, and not released yet
  SplitId lost_;
  SteadyTime aware_at_;
  std::atomic<int> batches_{0};
};

}  // namespace

std::unique_ptr<Source> make_handing_out(HandingOut& group) { return std::make_unique<HandingOutSource>(group); }

}  // namespace sluice::simulation
