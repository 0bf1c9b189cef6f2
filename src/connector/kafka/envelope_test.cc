#include "connector/kafka/envelope.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include "batch/change.h"
#include "batch/json_text.h"
#include "port/conformance/expect.h"

namespace sluice::kafka {
namespace {

using conformance::expect_error;
using conformance::value_of;

struct Change {
  const char* op;
  int64_t id;
  const char* note;  // null: NULL
  const char* pos;
  const char* unchanged = nullptr;
};

// id BIGINT, note VARCHAR and the change columns.
BatchPtr changes(const std::vector<Change>& all) {
  arrow::Int64Builder ids;
  arrow::StringBuilder notes;
  arrow::StringBuilder ops;
  arrow::StringBuilder positions;
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), arrow::default_memory_pool());
  arrow::StringBuilder unchanged;
  for (const auto& one : all) {
    EXPECT_TRUE(ids.Append(one.id).ok());
    EXPECT_TRUE((one.note == nullptr ? notes.AppendNull() : notes.Append(one.note)).ok());
    EXPECT_TRUE(ops.Append(one.op).ok() && positions.Append(one.pos).ok() && times.Append(1'700'000'000'123'456).ok());
    EXPECT_TRUE((one.unchanged == nullptr ? unchanged.AppendNull() : unchanged.Append(one.unchanged)).ok());
  }
  auto schema = arrow::schema({arrow::field("id", arrow::int64(), false), arrow::field("note", arrow::utf8()),
                               arrow::field("_op", arrow::utf8()),
                               arrow::field("_ts", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                               arrow::field("_pos", arrow::utf8()), arrow::field("_unchanged", arrow::utf8())});
  return arrow::RecordBatch::Make(
      schema, static_cast<int64_t>(all.size()),
      {*ids.Finish(), *notes.Finish(), *ops.Finish(), *times.Finish(), *positions.Finish(), *unchanged.Finish()});
}

std::string shown(const arrow::RecordBatch& batch) {
  EXPECT_TRUE(batch.ValidateFull().ok()) << batch.ValidateFull().ToString();
  std::string out;
  for (int64_t row = 0; row < batch.num_rows(); ++row) out += row_as_json(batch, row) + "\n";
  return out;
}

const EnvelopeOrigin kOrigin = {"1.0", "postgresql", "shop", "db", "public", "orders"};
const std::vector<int> kColumns = {0, 1};
const WallTime kNow = WallTime(std::chrono::milliseconds(1'700'000'001'000));

Enveloped enveloped(const BatchPtr& rows) {
  auto made = value_of(to_envelope(*rows, kColumns, kOrigin, kNow));
  EXPECT_TRUE(made.batch->schema()->Equals(*envelope_schema(*rows->schema(), kColumns)));
  return made;
}

std::string source_text(const std::string& snapshot, const std::string& pos, const std::string& lsn) {
  return R"("source":{"version":"1.0","connector":"postgresql","name":"shop","ts_ms":1700000000123,"snapshot":")" +
         snapshot + R"(","db":"db","schema":"public","table":"orders","sequence":"[\")" + pos + R"(\"]","lsn":)" + lsn +
         "}";
}

TEST(Envelope, EachChangeSaysWhatWasAndWhatIs) {
  auto made = enveloped(changes({{"snapshot", 1, "a", "0000000000000010-00000000"},
                                 {"insert", 2, "b", "0000000000000020-00000000"},
                                 {"update", 2, "c", "0000000000000030-00000000"},
                                 {"delete", 2, nullptr, "orders/0/17"}}));
  const std::string end = R"(,"ts_ms":1700000001000})"
                          "\n";
  EXPECT_EQ(shown(*made.batch), R"({"before":null,"after":{"id":1,"note":"a"},)" +
                                    source_text("true", "0000000000000010-00000000", "16") + R"(,"op":"r")" + end +
                                    R"({"before":null,"after":{"id":2,"note":"b"},)" +
                                    source_text("false", "0000000000000020-00000000", "32") + R"(,"op":"c")" + end +
                                    R"({"before":null,"after":{"id":2,"note":"c"},)" +
                                    source_text("false", "0000000000000030-00000000", "48") + R"(,"op":"u")" + end +
                                    R"({"before":{"id":2,"note":null},"after":null,)" +
                                    source_text("false", "orders/0/17", "null") + R"(,"op":"d")" + end);
  EXPECT_EQ(made.row_of, (std::vector<int64_t>{0, 1, 2, 3}));
  EXPECT_TRUE(made.unfit.empty());
}

TEST(Envelope, RowsBeforeAChangeBecomeItsBefore) {
  auto made = enveloped(changes({{"before", 1, "old", "p1"},
                                 {"update", 1, "new", "p1"},
                                 {"before", 2, "gone", "p2"},
                                 {"delete", 2, nullptr, "p2"},
                                 {"before", 3, "other", "p3"},
                                 {"insert", 4, "x", "p4"}}));
  ASSERT_EQ(made.batch->num_rows(), 3);
  EXPECT_EQ(made.row_of, (std::vector<int64_t>{1, 3, 5}));
  const auto text = shown(*made.batch);
  EXPECT_NE(text.find(R"({"before":{"id":1,"note":"old"},"after":{"id":1,"note":"new"},)"), std::string::npos) << text;
  EXPECT_NE(text.find(R"({"before":{"id":2,"note":"gone"},"after":null,)"), std::string::npos) << text;
  EXPECT_NE(text.find(R"({"before":null,"after":{"id":4,"note":"x"},)"), std::string::npos) << text;
}

TEST(Envelope, ValuesThatWereNotSentHaveAPlaceholderOrNoEnvelope) {
  auto made =
      enveloped(changes({{"update", 1, nullptr, "p1", "note"}, {"update", 2, "b", "p2", "id"}, {"wat", 3, "c", "p3"}}));
  EXPECT_NE(shown(*made.batch).find(R"("after":{"id":1,"note":"__debezium_unavailable_value"})"), std::string::npos);
  ASSERT_EQ(made.unfit.size(), 2U);
  EXPECT_EQ(made.unfit[0].first, 1);
  EXPECT_NE(made.unfit[0].second.find("a BIGINT has no placeholder"), std::string::npos);
  EXPECT_EQ(made.unfit[1].second, "'wat' is no change");
}

TEST(Envelope, RowsWithoutChangeColumnsAreInserts) {
  auto rows = *changes({{"delete", 1, "a", "p"}})->SelectColumns({0, 1});
  auto made = enveloped(rows);
  EXPECT_NE(shown(*made.batch).find(R"("op":"c")"), std::string::npos);
}

TEST(Envelope, WhatWasWrittenIsReadBackAsChanges) {
  auto rows = changes({{"snapshot", 1, "a", "p1"},
                       {"before", 1, "a", "p2"},
                       {"update", 1, nullptr, "p2", "note"},
                       {"delete", 1, nullptr, "p3"}});
  auto messages = enveloped(rows).batch;
  auto reading = value_of(read_envelope(*messages->schema()));
  EXPECT_TRUE(reading.message->Equals(*messages->schema()));
  const std::vector<std::string> positions = {"t/0/1", "t/0/2", "t/0/3"};
  auto back = value_of(from_envelope(reading, *messages, positions, true));
  const std::string ts = R"("_ts":"2023-11-14T22:13:20.123000Z")";
  EXPECT_EQ(shown(*back.rows),
            R"({"id":1,"note":"a","_op":"snapshot",)" + ts + R"(,"_pos":"t/0/1","_unchanged":null})" + "\n" +
                R"({"id":1,"note":"a","_op":"before",)" + ts + R"(,"_pos":"t/0/2","_unchanged":null})" + "\n" +
                R"({"id":1,"note":null,"_op":"update",)" + ts + R"(,"_pos":"t/0/2","_unchanged":"note"})" + "\n" +
                R"({"id":1,"note":null,"_op":"delete",)" + ts + R"(,"_pos":"t/0/3","_unchanged":null})" + "\n");
  EXPECT_EQ(back.message_of, (std::vector<int64_t>{0, 1, 1, 2}));
  EXPECT_EQ(value_of(from_envelope(reading, *messages, positions, false)).rows->num_rows(), 3);
}

// JSON has bytes as base64, and columns of it are text.
TEST(Envelope, ThePlaceholderOfBytesIsKnownAsJsonHasIt) {
  auto inferred = arrow::schema({arrow::field("after", arrow::struct_({arrow::field("id", arrow::int64()),
                                                                       arrow::field("bytes", arrow::utf8())})),
                                 arrow::field("op", arrow::utf8())});
  auto reading = value_of(read_envelope(*inferred));
  auto table = arrow::json::ArrayFromJSONString(
                   arrow::struct_(reading.message->fields()),
                   R"([{"after":{"id":1,"bytes":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="},"op":"u","before":null},
                       {"after":{"id":2,"bytes":"X19k"},"op":"u","before":null}])")
                   .ValueOrDie();
  auto messages = arrow::RecordBatch::FromStructArray(table).ValueOrDie();
  auto back = value_of(from_envelope(reading, *messages, std::vector<std::string>{"p1", "p2"}, false));
  EXPECT_EQ(shown(*back.rows), R"({"id":1,"bytes":null,"_op":"update","_ts":null,"_pos":"p1","_unchanged":"bytes"})"
                               "\n"
                               R"({"id":2,"bytes":"X19k","_op":"update","_ts":null,"_pos":"p2","_unchanged":null})"
                               "\n");
}

// Messages as their JSON was decoded: op, before {id}, after {id, note}, ts_ms.
TEST(Envelope, TombstonesTruncatesAndNonsenseAreToldApart) {
  auto text = arrow::utf8();
  auto inferred = arrow::schema({arrow::field("before", arrow::null()),
                                 arrow::field("after", arrow::struct_({arrow::field("id", arrow::int64())})),
                                 arrow::field("op", text), arrow::field("ts_ms", arrow::int64())});
  auto reading = value_of(read_envelope(*inferred));
  arrow::StringBuilder ops;
  arrow::Int64Builder ids;
  arrow::Int64Builder times;
  for (const char* op : {"c", "", "t", "m", "x", "u"}) {
    EXPECT_TRUE((*op == '\0' ? ops.AppendNull() : ops.Append(op)).ok());
    EXPECT_TRUE((*op == '\0' ? times.AppendNull() : times.Append(5)).ok());
    EXPECT_TRUE(ids.Append(7).ok());
  }
  std::shared_ptr<arrow::Array> id = *ids.Finish();
  auto image = [&](const std::string& present) {
    arrow::BooleanBuilder bits;
    for (char c : present) EXPECT_TRUE(bits.Append(c == '1').ok());
    std::shared_ptr<arrow::Array> made = *bits.Finish();
    return std::make_shared<arrow::StructArray>(reading.message->field(0)->type(), 6, arrow::ArrayVector{id},
                                                made->data()->buffers[1]);
  };
  auto messages =
      arrow::RecordBatch::Make(reading.message, 6, {image("000000"), image("100000"), *ops.Finish(), *times.Finish()});
  std::vector<std::string> positions(6, "p");
  auto back = value_of(from_envelope(reading, *messages, positions, false));
  EXPECT_EQ(back.message_of, (std::vector<int64_t>{0}));
  EXPECT_EQ(back.truncates, (std::vector<int64_t>{2}));
  ASSERT_EQ(back.bad.size(), 2U);
  EXPECT_EQ(back.bad[0].second, "the envelope's op 'x' is unknown");
  EXPECT_EQ(back.bad[1].second, "the envelope of op 'u' has no after");
  expect_error(read_envelope(*arrow::schema({arrow::field("a", text)})), Fault::user, "no Debezium envelopes");
}

}  // namespace
}  // namespace sluice::kafka
