// Lanes that hand in an epoch at the same time write each partition once.
#include <set>
#include <thread>

#include "connector/file/test/files.h"
#include "port/conformance/expect.h"

namespace sluice::file {

using testing::SizeIs;

class Gathered : public Files {
 protected:
  static constexpr int64_t kKeys = 50;

  static Rows rows(int64_t from, int64_t to) {
    arrow::Int64Builder ids;
    arrow::Int64Builder keys;
    for (int64_t i = from; i < to; ++i) EXPECT_TRUE(ids.Append(i).ok() && keys.Append(i % kKeys).ok());
    auto schema = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("key", arrow::int64())});
    Rows rows;
    rows.table.name = "orders";
    rows.batch = arrow::RecordBatch::Make(schema, to - from, {*ids.Finish(), *keys.Finish()});
    rows.progress = {{"in", Position{std::to_string(from)}}};
    return rows;
  }
  void open() {
    sink_ = value_of(this->sink("lake/", {{"partition_by", "key"}}));
    expect_ok(sink_->open(context_, *rows(0, 0).batch->schema(), false));
    for (int lane : {0, 1}) lanes_.push_back(value_of(sink_->create_writer(context_, {"battery", lane, 1})));
  }
  void publish(const std::vector<Prepared>& prepared) {
    expect_ok(value_of(sink_->create_committer(context_))->commit(context_, prepared, {}, {}));
  }
  // Every row once.
  void expect_rows(size_t count) {
    auto ids = value_of(read("lake/")).column("id");
    EXPECT_EQ(ids.size(), count);
    EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), count);
  }

  std::unique_ptr<Sink> sink_;
  std::vector<std::unique_ptr<Writer>> lanes_;
};

TEST_F(Gathered, APartitionOfTwoLanesIsOneFile) {
  open();
  for (Epoch epoch : {1, 2}) {
    auto begin = static_cast<int64_t>(epoch) * 10'000;
    value_of(lanes_[0]->write(context_, rows(begin, begin + 1'000)));
    value_of(lanes_[1]->write(context_, rows(begin + 1'000, begin + 2'000)));
    std::vector<Prepared> parts[2];
    {
      std::jthread other([&] { parts[1] = value_of(lanes_[1]->prepare(context_, epoch)); });
      parts[0] = value_of(lanes_[0]->prepare(context_, epoch));
    }
    for (const auto& part : parts) publish(part);
    EXPECT_THAT(files_in("lake"), SizeIs(epoch * kKeys));
    expect_rows(epoch * 2'000);
  }
}

TEST_F(Gathered, ALaneWithoutRowsHelpsAndNamesItsFilesApart) {
  open();
  for (Epoch epoch : {1, 2, 3}) {
    auto begin = static_cast<int64_t>(epoch) * 10'000;
    value_of(lanes_[0]->write(context_, rows(begin, begin + 1'000)));
    std::vector<Prepared> parts[2];
    {
      std::jthread other([&] { parts[1] = value_of(lanes_[1]->prepare(context_, epoch)); });
      parts[0] = value_of(lanes_[0]->prepare(context_, epoch));
    }
    for (const auto& part : parts) publish(part);
    EXPECT_THAT(files_in("lake"), SizeIs(epoch * kKeys));
  }
  expect_rows(3'000);
}

TEST_F(Gathered, ALaneThatDoesNotComeIsNotWaitedFor) {
  open();
  value_of(lanes_[0]->write(context_, rows(0, 1'000)));
  value_of(lanes_[1]->write(context_, rows(1'000, 2'000)));
  auto first = value_of(lanes_[0]->prepare(context_, 1));
  auto second = value_of(lanes_[1]->prepare(context_, 1));
  publish(first);
  publish(second);
  EXPECT_THAT(files_in("lake"), SizeIs(2 * kKeys));
  expect_rows(2'000);
}

}  // namespace sluice::file
