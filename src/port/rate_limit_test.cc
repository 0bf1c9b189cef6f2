#include "port/rate_limit.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "port/registry.h"

namespace sluice {
namespace {

// Three batches of ten rows, which no connector slows down.
class Hasty final : public Source {
 public:
  [[nodiscard]] SourceTraits traits() const override { return {}; }
  Result<SchemaPtr> fetch_schema(Context&) override { return schema(); }
  Result<Planned> plan(Context&, const ReadRequest&) override { return Planned{schema(), {}}; }
  Result<void> start(Context&, const Positions&) override { return {}; }
  Result<SplitEvents> poll_splits(Context&, Deadline) override { return SplitEvents{}; }
  Result<std::unique_ptr<Reader>> create_reader(Context&, std::span<const Split>) override {
    return std::unique_ptr<Reader>(std::make_unique<Batches>());
  }
  static SchemaPtr schema() { return arrow::schema({arrow::field("n", arrow::int64())}); }

 private:
  class Batches final : public Reader {
   public:
    Result<Event> next(Context&, Deadline) override {
      if (left_-- == 0) return Event(End{});
      Rows rows;
      rows.batch =
          arrow::RecordBatch::Make(schema(), 10, {arrow::MakeArrayFromScalar(arrow::Int64Scalar(7), 10).ValueOrDie()});
      return Event(std::move(rows));
    }

   private:
    int left_ = 3;
  };
};

RawOptions seen;

class RateLimitTest : public testing::Test {
 protected:
  RateLimitTest() {
    ConnectorDescriptor connector;
    connector.name = "hasty";
    connector.schemes = {"hasty"};
    connector.create_source = [](const Registry&, const ConnectorRequest& request) -> Result<std::unique_ptr<Source>> {
      seen = request.options;
      return std::unique_ptr<Source>(std::make_unique<Hasty>());
    };
    connector.create_sink = [](const Registry&, const ConnectorRequest&) -> Result<std::unique_ptr<Sink>> {
      return bug("the test writes nothing");
    };
    registry_.add(connector);
  }
  static ConnectorRequest request(const std::string& limit) {
    ConnectorRequest request;
    request.location.scheme = "hasty";
    request.options = {{"rate_limit", {limit, "a.sql:1:7"}}, {"other", {"1", "a.sql:1:9"}}};
    return request;
  }
  Millis time_to_read(const std::string& limit) {
    auto source = registry_.create_source(request(limit)).value();
    auto reader = create_paced_reader(context_, *source, {}).value();
    auto begin = context_.clock.steady();
    for (int64_t rows = 0; rows < 30;) {
      auto event = reader->next(context_, context_.clock.steady() + Millis(1000)).value();
      if (auto* got = std::get_if<Rows>(&event)) rows += got->batch->num_rows();
    }
    return std::chrono::duration_cast<Millis>(context_.clock.steady() - begin);
  }

  Registry registry_;
  Metrics metrics_;
  Budget memory_{1 << 20};
  Context context_{{}, system_clock(), Log(), metrics_, memory_, registry_, ""};
};

TEST_F(RateLimitTest, EverySourceTakesItAndNoConnectorSeesIt) {
  auto source = registry_.create_source(request("1MB/s"));
  ASSERT_TRUE(source.ok());
  EXPECT_NE((*source)->rate_limit(), nullptr);
  EXPECT_TRUE(seen.contains("other"));
  EXPECT_FALSE(seen.contains("rate_limit"));
  EXPECT_EQ(registry_.connector("hasty").value()->options.back().name, "rate_limit");
}

TEST_F(RateLimitTest, WhatIsNoRateAndWhatIsNoSourceIsSaid) {
  EXPECT_EQ(registry_.create_source(request("fast")).error().what,
            "a.sql:1:7: rate_limit 'fast' is neither bytes nor rows per second; write 10MB/s or 5000 rows/s");
  EXPECT_EQ(registry_.create_sink(request("1MB/s")).error().what, "a.sql:1:7: rate_limit is for sources");
  auto twice = request("1MB/s");
  twice.location.params["rate_limit"] = {"2MB/s", "the URI"};
  EXPECT_EQ(registry_.create_source(twice).error().what,
            "a.sql:1:7: option 'rate_limit' is '2MB/s' in the URI and '1MB/s' here; give it once");
}

TEST_F(RateLimitTest, RowsAndBytesAreHeldBack) {
  EXPECT_GE(time_to_read("100 rows/s"), Millis(190));
  // Nobody said how many bytes the source read: what the batches hold counts.
  EXPECT_GE(time_to_read("1KB/s"), Millis(150));
}

TEST_F(RateLimitTest, AReaderThatHasToWaitIsIdleAtTheDeadline) {
  auto source = registry_.create_source(request("10 rows/s")).value();
  auto reader = create_paced_reader(context_, *source, {}).value();
  EXPECT_TRUE(std::holds_alternative<Rows>(reader->next(context_, context_.clock.steady()).value()));
  auto begin = context_.clock.steady();
  EXPECT_TRUE(std::holds_alternative<Idle>(reader->next(context_, begin + Millis(20)).value()));
  EXPECT_LT(context_.clock.steady() - begin, Millis(500));
}

TEST_F(RateLimitTest, BatchesAreCutSoThatThePaceIsEven) {
  ReadRequest request;
  RateLimit(1000, /*rows=*/true).shape(&request);
  EXPECT_EQ(request.batch_rows, 200);
  RateLimit(100'000, /*rows=*/false).shape(&request);
  EXPECT_EQ(request.batch_bytes, 20'000);
}

}  // namespace
}  // namespace sluice
