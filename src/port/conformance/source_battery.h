// What every Source has to do. A test includes this and says how rows get to where the source reads and how to make it:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, SourceBattery, testing::Values(SourceCase{"sqlite", add, create}));
//
// A process that dies is played by destroying its source and readers; a restart by making them again.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arrow/api.h>

#include "port/conformance/expect.h"
#include "port/conformance/numbered_rows.h"
#include "port/conformance/scratch_folder.h"
#include "port/conformance/test_context.h"
#include "port/source.h"

namespace sluice::conformance {

struct SourceCase {
  std::string name;
  // Makes numbered rows be where the source of this folder reads, beside those that are there.
  std::function<Result<void>(const std::string& folder, int64_t first, int64_t count)> add;
  std::function<Result<std::unique_ptr<Source>>(const std::string& folder)> create;
  // Why it cannot be tested here (a server that nobody named); empty: it can.
  std::function<std::string()> missing = [] { return std::string(); };
  friend void PrintTo(const SourceCase& item, std::ostream* out) { *out << item.name; }
};

// Both, sorted.
inline SeenRows joined(SeenRows before, const SeenRows& behind) {
  before.insert(before.end(), behind.begin(), behind.end());
  std::sort(before.begin(), before.end());
  return before;
}

class SourceBattery : public testing::TestWithParam<SourceCase> {
 protected:
  static constexpr int64_t kRows = 40;

  // What has been delivered: rows count once a position covers them.
  struct Delivered {
    SeenRows rows;
    Positions positions;
    std::vector<std::pair<Positions, size_t>> marks;  // each position that was reported, and the rows until then
    std::set<SplitId> splits;                         // that were handed out
    std::map<SplitId, SeenRows> of_split;             // … by the first split of their reader

    [[nodiscard]] SeenRows sorted() const { return joined({}, rows); }
  };

  struct Open {
    std::unique_ptr<Reader> reader;
    SplitId first_split = {};  // that it reads
    SeenRows pending = {};     // that no position covers yet
  };

  void SetUp() override {
    if (auto missing = GetParam().missing(); !missing.empty()) GTEST_SKIP() << missing;
    for (int64_t first = 0; first < kRows; first += kRows / 2) {
      auto added = GetParam().add(folder_.path(), first, kRows / 2);
      ASSERT_TRUE(added.ok()) << added.error().message();
    }
    auto source = GetParam().create(folder_.path());
    ASSERT_TRUE(source.ok()) << source.error().message();
    traits_ = source.value()->traits();
  }
  // What the pipeline left at the source (a replication slot, of which a server has few).
  void TearDown() override {
    if (IsSkipped() || HasFatalFailure()) return;
    expect_ok(create()->drop(context_));
  }

  std::unique_ptr<Source> create() { return value_of(GetParam().create(folder_.path())); }
  void add(int64_t first, int64_t count) { expect_ok(GetParam().add(folder_.path(), first, count)); }
  static SteadyTime in(Millis time) { return system_clock().steady() + time; }

  // As flow begins a stretch: at first, and anew once no reader is left.
  void start(Source& source, const Positions& durable, const ReadRequest& request = {}) {
    schema_ = value_of(source.plan(context_, request)).schema;
    begin_anew(source, durable);
  }
  void begin_anew(Source& source, const Positions& durable) {
    expect_ok(source.start(context_, durable));
    expect_ok(source.settle(context_, durable));
  }

  Open open(Source& source, std::span<const Split> splits) {
    return {value_of(source.create_reader(context_, splits)), splits.front().id};
  }

  // One event of a reader; false at its end.
  bool take(Open& from, Delivered& into, Millis patience = Millis(50)) {
    auto event = value_of(from.reader->next(context_, in(patience)));
    if (std::holds_alternative<End>(event)) {
      EXPECT_TRUE(from.pending.empty()) << "rows that no position covers";
      return false;
    }
    if (std::holds_alternative<Idle>(event)) return true;
    EXPECT_TRUE(std::holds_alternative<Rows>(event)) << "neither rows nor an end";
    const auto& rows = std::get<Rows>(event);
    EXPECT_TRUE(rows.rejects.empty());
    if (rows.batch != nullptr) {
      EXPECT_TRUE(rows.batch->ValidateFull().ok());
      EXPECT_TRUE(rows.batch->schema()->Equals(*schema_)) << rows.batch->schema()->ToString();
      for (auto& row : seen_in(*rows.batch)) from.pending.push_back(std::move(row));
    }
    for (const auto& step : rows.progress) into.positions[step.split] = step.upto;
    if (rows.progress.empty()) return true;
    for (auto& row : std::exchange(from.pending, {})) {
      into.of_split[from.first_split].push_back(row);
      into.rows.push_back(std::move(row));
    }
    into.marks.emplace_back(into.positions, into.rows.size());
    return true;
  }

  enum class Readers { one_per_split, one_for_all };

  // To the end; where there is none, until `wanted` rows are there and nothing comes behind them. Events may be fewer.
  void read_on(Source& source, Delivered& into, size_t wanted, size_t events_max = SIZE_MAX,
               Readers readers = Readers::one_per_split) {
    std::vector<Open> opened;
    bool finished = false;
    int quiet_rounds = 0;
    size_t events = 0;
    const auto late = in(Millis(60'000));
    while (!(finished && opened.empty())) {
      if (traits_.streaming && into.rows.size() >= wanted && ++quiet_rounds > 5) return;
      ASSERT_LT(system_clock().steady(), late) << into.rows.size() << " of " << wanted << " rows have come";
      source.tick(context_);
      if (!finished) {
        auto polled = source.poll_splits(context_, in(Millis(20)));
        ASSERT_TRUE(polled.ok()) << polled.error().message();
        ASSERT_FALSE(polled->schema_change.has_value());
        finished = polled->finished;
        for (const auto& split : polled->added) {
          EXPECT_TRUE(into.splits.insert(split.id).second) << "'" << split.id << "' is handed out twice";
          if (readers == Readers::one_per_split) opened.push_back(open(source, {&split, 1}));
        }
        if (readers == Readers::one_for_all && !polled->added.empty()) opened.push_back(open(source, polled->added));
      }
      for (size_t i = 0; i < opened.size();) {
        const bool more = take(opened[i], into);
        if (HasFailure() || ++events >= events_max) return;
        if (more) {
          ++i;
        } else {
          opened.erase(opened.begin() + static_cast<std::ptrdiff_t>(i));
        }
      }
    }
  }

  Delivered read(const Positions& from, size_t wanted, const ReadRequest& request = {},
                 Readers readers = Readers::one_per_split) {
    Delivered delivered;
    auto source = create();
    start(*source, from, request);
    read_on(*source, delivered, wanted, SIZE_MAX, readers);
    return delivered;
  }
  static ReadRequest in_small_batches() {
    ReadRequest request;
    request.batch_rows = 3;
    return request;
  }

  ScratchFolder folder_;
  TestContext context_;
  SourceTraits traits_;
  SchemaPtr schema_;  // as planned last
};

TEST_P(SourceBattery, AllRowsComeOnceInTheSchemaThatWasPlanned) {
  auto source = create();
  auto full = value_of(source->fetch_schema(context_));
  EXPECT_TRUE(full->Equals(*value_of(source->fetch_schema(context_))));
  EXPECT_TRUE(value_of(source->plan(context_, {})).schema->Equals(*full));
  source.reset();
  EXPECT_EQ(read({}, kRows).sorted(), numbered(0, kRows));
}

TEST_P(SourceBattery, OneReaderMayReadSeveralSplits) {
  if (traits_.streaming) GTEST_SKIP() << "splits without an end have a reader each";
  EXPECT_EQ(read({}, kRows, {}, Readers::one_for_all).sorted(), numbered(0, kRows));
}

TEST_P(SourceBattery, RowsOfASplitComeInTheirOrder) {
  if (!traits_.ordered_within_split) GTEST_SKIP() << "no order is promised";
  const auto delivered = read({}, kRows, in_small_batches());
  size_t rows = 0;
  for (const auto& [split, of_it] : delivered.of_split) {
    EXPECT_TRUE(std::is_sorted(of_it.begin(), of_it.end())) << split;
    rows += of_it.size();
  }
  EXPECT_EQ(rows, static_cast<size_t>(kRows));
}

TEST_P(SourceBattery, AnotherProcessGoesOnAtEveryReportedPosition) {
  if (traits_.one_snapshot) GTEST_SKIP() << "delivered as one epoch, all or nothing";
  auto source = create();
  start(*source, {}, in_small_batches());
  Delivered once;
  read_on(*source, once, kRows);
  source.reset();
  ASSERT_EQ(once.rows.size(), static_cast<size_t>(kRows));
  const size_t stride = std::max<size_t>(1, once.marks.size() / 5);
  for (size_t i = 0; i < once.marks.size(); i += stride) {
    const auto& [positions, rows] = once.marks[i];
    const SeenRows before(once.rows.begin(), once.rows.begin() + static_cast<std::ptrdiff_t>(rows));
    auto rest = read(positions, kRows - rows);
    ASSERT_EQ(joined(before, rest.rows), numbered(0, kRows)) << "after " << rows << " rows";
  }
}

TEST_P(SourceBattery, TheSameProcessBeginsAnewAtWhatIsDurable) {
  if (traits_.one_snapshot) GTEST_SKIP() << "delivered as one epoch, all or nothing";
  auto source = create();
  start(*source, {}, in_small_batches());
  Delivered part;
  read_on(*source, part, kRows, 2);
  Delivered rest;
  begin_anew(*source, part.positions);
  read_on(*source, rest, kRows - part.rows.size());
  EXPECT_EQ(joined(part.rows, rest.rows), numbered(0, kRows));
}

TEST_P(SourceBattery, WhatNobodyKeptIsReadAgain) {
  auto source = create();
  start(*source, {}, in_small_batches());
  Delivered lost;
  read_on(*source, lost, kRows, 2);
  Delivered again;
  begin_anew(*source, {});
  read_on(*source, again, kRows);
  EXPECT_EQ(again.sorted(), numbered(0, kRows));
}

TEST_P(SourceBattery, WhatIsDeliveredDoesNotComeAgainAndWhatIsNewDoes) {
  auto first = read({}, kRows);
  EXPECT_TRUE(read(first.positions, 0).rows.empty());
  if (traits_.one_snapshot) return;
  add(kRows, 10);
  EXPECT_EQ(read(first.positions, 10).sorted(), numbered(kRows, 10));
}

TEST_P(SourceBattery, SettlingAgainChangesNothing) {
  if (traits_.one_snapshot) GTEST_SKIP() << "delivered as one epoch, all or nothing";
  Delivered delivered;
  {
    auto source = create();
    start(*source, {}, in_small_batches());
    read_on(*source, delivered, kRows, 4);
    expect_ok(source->settle(context_, delivered.positions));
    expect_ok(source->settle(context_, delivered.positions));
    expect_ok(source->settle(context_, {}));
  }
  auto rest = read(delivered.positions, kRows - delivered.rows.size());
  EXPECT_EQ(joined(delivered.rows, rest.rows), numbered(0, kRows));
}

TEST_P(SourceBattery, APositionThatIsNoneIsAnError) {
  if (traits_.one_snapshot) GTEST_SKIP() << "its positions only say that all was read";
  Positions broken;
  for (const auto& [split, position] : read({}, kRows).positions) broken[split] = {"no position"};
  auto source = create();
  value_of(source->plan(context_, {}));
  auto outcome = [&]() -> Result<void> {
    TRY(source->start(context_, broken));
    for (const auto late = in(Millis(10'000)); system_clock().steady() < late;) {
      auto events = TRY(source->poll_splits(context_, in(Millis(50))));
      for (const auto& split : events.added) {
        auto reader = TRY(source->create_reader(context_, {&split, 1}));
        TRY(reader->next(context_, in(Millis(50))));
      }
      if (events.finished) break;
    }
    return {};
  }();
  ASSERT_FALSE(outcome.ok()) << "it was taken for a position";
  EXPECT_THAT(outcome.error().fault, testing::AnyOf(Fault::user, Fault::refused)) << outcome.error().message();
}

TEST_P(SourceBattery, PositionsHaveNames) {
  auto source = create();
  value_of(source->plan(context_, {}));
  expect_error(source->resolve_position(context_, "the day after tomorrow"), Fault::user);
  auto earliest = source->resolve_position(context_, "earliest");
  ASSERT_TRUE(earliest.ok()) << earliest.error().message();
  source.reset();
  EXPECT_EQ(read(earliest.value(), kRows).sorted(), numbered(0, kRows));
  source = create();
  value_of(source->plan(context_, {}));
  auto latest = source->resolve_position(context_, "latest");
  source.reset();
  if (!latest.ok()) {
    EXPECT_EQ(to_string(latest.error().fault), to_string(Fault::user)) << latest.error().message();
    return;
  }
  add(kRows, 10);
  EXPECT_EQ(read(latest.value(), 10).sorted(), numbered(kRows, 10));
}

TEST_P(SourceBattery, AFilterThatIsPromisedIsKeptAndNoneLosesRows) {
  ReadRequest request;
  request.filter = {{{"id"}, Predicate::Op::ge, {std::make_shared<arrow::Int64Scalar>(7)}}};
  const auto pushed = value_of(create()->plan(context_, request)).pushed;
  const bool exact = !pushed.filter_exact.empty() && pushed.filter_exact[0];
  auto rows = read({}, exact ? kRows - 7 : kRows, request).sorted();
  if (!exact) std::erase_if(rows, [](const auto& row) { return row.first < 7; });
  EXPECT_EQ(rows, numbered(7, kRows - 7));
}

TEST_P(SourceBattery, AProjectionThatIsPromisedIsKept) {
  ReadRequest request;
  request.columns = {{"id"}};
  const auto planned = value_of(create()->plan(context_, request));
  EXPECT_NE(planned.schema->GetFieldByName("id"), nullptr);
  EXPECT_EQ(planned.schema->GetFieldByName("note") == nullptr, planned.pushed.columns);
  const auto rows = read({}, kRows, request).sorted();
  ASSERT_EQ(rows.size(), static_cast<size_t>(kRows));
  for (int64_t id = 0; id < kRows; ++id) EXPECT_EQ(rows[static_cast<size_t>(id)].first, id);
}

TEST_P(SourceBattery, ALimitGivesNoFewerRows) {
  if (traits_.streaming) GTEST_SKIP() << "it has no end";
  ReadRequest request;
  request.limit = 5;
  const auto pushed = value_of(create()->plan(context_, request)).pushed;
  const auto limited = read({}, 5, request);
  EXPECT_GE(limited.rows.size(), 5U);
  if (pushed.limit) {
    EXPECT_LE(limited.rows.size(), 5 * limited.splits.size());
  }
}

TEST_P(SourceBattery, AStreamWaitsForMore) {
  if (!traits_.streaming) GTEST_SKIP() << "it has an end";
  auto source = create();
  start(*source, {});
  Delivered delivered;
  read_on(*source, delivered, kRows);
  begin_anew(*source, delivered.positions);
  add(kRows, 10);
  delivered.splits.clear();
  read_on(*source, delivered, kRows + 10);
  EXPECT_EQ(delivered.sorted(), numbered(0, kRows + 10));
}

TEST_P(SourceBattery, AStopEndsAnyWaitWithinASecond) {
  TestContext context;  // connections keep its stop token
  auto source = create();
  value_of(source->plan(context, {}));
  expect_ok(source->start(context, {}));
  SteadyTime stopped{};
  std::jthread stopping([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    stopped = system_clock().steady();
    context.request_stop();
  });
  std::vector<std::unique_ptr<Reader>> readers;
  auto outcome = [&]() -> Result<void> {
    for (;;) {
      auto events = TRY(source->poll_splits(context, in(Millis(30'000))));
      for (const auto& split : events.added) readers.push_back(TRY(source->create_reader(context, {&split, 1})));
      for (auto& reader : readers) {
        while (std::holds_alternative<Rows>(TRY(reader->next(context, in(Millis(30'000)))))) continue;
      }
      if (events.finished) return {};
      if (static_cast<Context&>(context).stop.stop_requested()) return cancelled();
    }
  }();
  const auto ended = system_clock().steady();
  stopping.join();
  if (!outcome.ok()) {
    EXPECT_EQ(to_string(outcome.error().fault), to_string(Fault::cancelled));
  }
  EXPECT_LT(ended - stopped, std::chrono::milliseconds(1'500));
}

TEST_P(SourceBattery, DroppingAPipelineLeavesTheRows) {
  read({}, kRows);
  expect_ok(create()->drop(context_));
  EXPECT_EQ(read({}, kRows).sorted(), numbered(0, kRows));
}

TEST_P(SourceBattery, MemoryIsGivenBack) {
  read({}, kRows);
  EXPECT_EQ(context_.memory().used(), 0);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SourceBattery);

}  // namespace sluice::conformance
