// Against the brokers that SLUICE_TEST_KAFKA names (kafka://host:port); skipped without. tests/e2e/test_kafka_sink.py
// runs it with a server of its own.
#include "connector/kafka/sink.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>

#include <nlohmann/json.hpp>

#include "batch/json_text.h"
#include "connector/kafka/record_encoder.h"
#include "connector/kafka/sink_settings.h"
#include "kafka/client.h"
#include "port/conformance/sink_battery.h"

namespace sluice::conformance {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Options = std::map<std::string, std::string>;

// Rows as batch/json_text has them: the formats proper are siblings of this folder, and have tests of their own.
class RowsAsJson final : public PayloadFormat {
 public:
  explicit RowsAsJson(bool keys) : refused_(keys ? "toxic" : "poison") {}
  Result<SchemaPtr> infer(Context&, std::span<const Payload>) override { return bug("only written"); }
  Result<Format::Planned> plan(const SchemaPtr&, const ReadRequest&) const override { return bug("only written"); }
  Result<std::unique_ptr<PayloadDecoder>> create_decoder(Context&, const DecoderOptions&) override {
    return bug("only written");
  }
  Result<void> validate_schema(const arrow::Schema&) const override { return {}; }
  Result<std::unique_ptr<PayloadEncoder>> create_encoder(Context&, const SchemaPtr&) override {
    return std::make_unique<Encoder>(refused_);
  }

 private:
  class Encoder final : public PayloadEncoder {
   public:
    explicit Encoder(std::string_view refused) : refused_(refused) {}
    Result<void> encode(Context&, const arrow::RecordBatch& batch, EncodedPayloads& out) override {
      for (int64_t i = 0; i < batch.num_rows(); ++i) {
        const std::string text = row_as_json(batch, i);
        if (text.find(refused_) != std::string::npos) return user_error("a row is {}", refused_);
        kafka::append_payload(text, out);
      }
      return {};
    }

   private:
    const std::string_view refused_;
  };

  const std::string_view refused_;
};

const Registry& registry() {
  static const Registry made = [] {
    PayloadDescriptor json;
    json.name = "json";
    json.create = [](const OptionValues&, const PayloadPlace& place) -> Result<std::unique_ptr<PayloadFormat>> {
      return std::make_unique<RowsAsJson>(place.key);
    };
    Registry all;
    all.add(json);
    return all;
  }();
  return made;
}

const char* server_url() { return ::getenv("SLUICE_TEST_KAFKA"); }

ConnectorRequest request_for(const std::string& topic, const Options& options = {}) {
  ConnectorRequest request;
  const std::string url = server_url() != nullptr ? server_url() : "kafka://localhost";
  request.location = parse_location(url + "/" + topic).value();
  for (const auto& [name, value] : options) request.options[name] = {value, "test.sql:1:1"};
  request.where = "test.sql:1:1";
  request.pipeline = "battery";
  return request;
}

// A topic of its own for each test, whatever happened to be there.
std::string topic_of(const std::string& folder) {
  return fmt::format("battery.t{}", std::hash<std::string>()(folder + std::to_string(::getpid())) % 1'000'000'000);
}

Result<SeenRows> read_rows(const std::string& folder) {
  const auto settings = TRY(kafka::sink_settings(registry(), request_for(topic_of(folder))));
  const kafka::Properties own = {{"isolation.level", Secret("read_committed")},
                                 {"enable.partition.eof", Secret("true")},
                                 {"fetch.wait.max.ms", Secret("20")}};
  auto client = TRY(kafka::Client::open(RD_KAFKA_CONSUMER, settings.cluster, own, Log()));
  SeenRows rows;
  rd_kafka_topic_t* handle = kafka::api().topic_new(client->get(), settings.topic.c_str(), nullptr);
  auto topic = client->topic(settings.topic, {});
  if (!topic.ok()) {
    kafka::api().topic_destroy(handle);
    return rows;
  }
  for (int partition = 0; partition < topic->partitions; ++partition) {
    kafka::api().consume_start(handle, partition, RD_KAFKA_OFFSET_BEGINNING);
    while (true) {
      const kafka::Message message(kafka::api().consume(handle, partition, 5'000));
      if (message == nullptr || message->err != RD_KAFKA_RESP_ERR_NO_ERROR) break;
      const auto* begin = static_cast<const char*>(message->payload);
      const auto row = nlohmann::json::parse(begin, begin + message->len);
      rows.emplace_back(row["id"].get<int64_t>(), row["note"].get<std::string>());
    }
    kafka::api().consume_stop(handle, partition);
  }
  kafka::api().topic_destroy(handle);
  return rows;
}

std::vector<SinkCase> cases() {
  if (server_url() == nullptr) return {};
  return {
      SinkCase{"append",
               [](const std::string& folder) {
                 return kafka::create_sink(registry(), request_for(topic_of(folder), {{"partitions", "2"}}));
               },
               read_rows},
      SinkCase{
          "upsert",
          [](const std::string& folder) {
            return kafka::create_sink(registry(), request_for(topic_of(folder), {{"key", "id"}, {"mode", "upsert"}}));
          },
          read_rows}};
}
INSTANTIATE_TEST_SUITE_P(Kafka, SinkBattery, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

TEST(KafkaSink, TheBatteryNeedsBrokers) {
  if (server_url() == nullptr) GTEST_SKIP() << "SLUICE_TEST_KAFKA names no brokers";
  EXPECT_EQ(cases().size(), 2);
}

// --- rows as records ---

class KafkaRecords : public testing::Test {
 protected:
  // Keys, values and what else there is of each record, as one text; then the rows that cannot be records.
  std::vector<std::string> records(const arrow::FieldVector& fields, const std::string& json, const Options& options,
                                   bool judges = false, const kafka::TargetTopic& into = {"orders", 4, 200}) {
    settings_ = std::make_unique<kafka::SinkSettings>(
        value_of(kafka::sink_settings(registry(), request_for("orders", options))));
    auto topic = std::make_shared<kafka::TargetTopic>(into);
    const auto schema = arrow::schema(fields);
    auto encoder = value_of(kafka::RecordEncoder::make(context_, *settings_, topic, {"public", "orders"}, schema));
    auto table = arrow::json::ArrayFromJSONString(arrow::struct_(fields), json).ValueOrDie();
    auto batch = arrow::RecordBatch::FromStructArray(table).ValueOrDie();
    kafka::Piece piece;
    const auto unfit = value_of(encoder->encode(context_, *batch, judges, piece));
    std::vector<std::string> seen;
    for (const auto& record : piece.records) {
      std::string text =
          fmt::format("{} → {}", piece.key_of(record).value_or("(none)"), piece.value_of(record).value_or("(none)"));
      if (record.partition >= 0) text += fmt::format(" in {}", record.partition);
      if (record.timestamp_ms != 0) text += fmt::format(" at {}", record.timestamp_ms);
      if (record.headers >= 0) {
        for (const auto& header : piece.headers[static_cast<size_t>(record.headers)]) {
          text += fmt::format(" {}={}", header.name, header.value.value_or("(none)"));
        }
      }
      seen.push_back(text);
    }
    for (const auto& bad : unfit) seen.push_back(fmt::format("{}: {}", bad.row, bad.reason));
    return seen;
  }

  TestContext context_;
  std::unique_ptr<kafka::SinkSettings> settings_;
};

arrow::FieldVector id_and_note() { return {arrow::field("id", arrow::int64()), arrow::field("note", arrow::utf8())}; }

arrow::FieldVector changes() {
  auto fields = id_and_note();
  fields.push_back(arrow::field("_op", arrow::utf8()));
  return fields;
}

TEST_F(KafkaRecords, RowsWithoutAKeyHaveNone) {
  EXPECT_THAT(records(id_and_note(), R"([{"id":1,"note":"a"}])", {}), ElementsAre(R"((none) → {"id":1,"note":"a"})"));
}

TEST_F(KafkaRecords, OneKeyColumnIsItsText) {
  EXPECT_THAT(records(id_and_note(), R"([{"id":1,"note":"a"},{"id":2,"note":null}])", {{"key", "id"}}),
              ElementsAre(R"(1 → {"id":1,"note":"a"})", R"(2 → {"id":2,"note":null})"));
  EXPECT_THAT(records(id_and_note(), R"([{"id":1,"note":"ä\"b"},{"id":2,"note":null}])", {{"key", "note"}}),
              ElementsAre(R"(ä"b → {"id":1,"note":"ä\"b"})", R"((none) → {"id":2,"note":null})"));
}

TEST_F(KafkaRecords, SeveralKeyColumnsAreAnObject) {
  EXPECT_THAT(records(id_and_note(), R"([{"id":1,"note":"a"}])", {{"key", "note, id"}}),
              ElementsAre(R"({"note":"a","id":1} → {"id":1,"note":"a"})"));
}

TEST_F(KafkaRecords, AnUpsertWritesTombstonesOfDeletesAndNoChangeColumns) {
  EXPECT_THAT(records(changes(),
                      R"([{"id":1,"note":"a","_op":"insert"},{"id":1,"note":null,"_op":"delete"},
                          {"id":2,"note":"b","_op":"snapshot"}])",
                      {{"key", "id"}}),
              ElementsAre(R"(1 → {"id":1,"note":"a"})", "1 → (none)", R"(2 → {"id":2,"note":"b"})"));
}

TEST_F(KafkaRecords, AppendedChangesKeepTheirOp) {
  EXPECT_THAT(records(changes(), R"([{"id":1,"note":null,"_op":"delete"}])", {{"key", "id"}, {"mode", "append"}}),
              ElementsAre(R"(1 → {"id":1,"note":null,"_op":"delete"})"));
}

TEST_F(KafkaRecords, AnUpsertRefusesANullKeyAndAnUnchangedValue) {
  auto fields = changes();
  fields.push_back(arrow::field("_unchanged", arrow::utf8()));
  EXPECT_THAT(records(fields,
                      R"([{"id":null,"note":"a","_op":"insert","_unchanged":null},
                          {"id":1,"note":null,"_op":"update","_unchanged":"note"},
                          {"id":2,"note":"b","_op":"update","_unchanged":null}])",
                      {{"key", "id"}}),
              ElementsAre(R"(2 → {"id":2,"note":"b"})", "0: key column 'id' is null",
                          HasSubstr("1: a large value was not sent")));
}

TEST_F(KafkaRecords, HeadersTimeAndPartitionComeFromColumns) {
  auto fields = id_and_note();
  fields.push_back(arrow::field("_headers", arrow::map(arrow::utf8(), arrow::utf8())));
  fields.push_back(arrow::field("_timestamp", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
  fields.push_back(arrow::field("_partition", arrow::int32()));
  const Options options = {{"headers", "_headers"}, {"timestamp", "_timestamp"}, {"partition", "_partition"}};
  EXPECT_THAT(
      records(fields,
              R"([{"id":1,"note":"a","_headers":[["h","x"],["n",null]],"_timestamp":1700000000123999,"_partition":3},
                          {"id":2,"note":"b","_headers":null,"_timestamp":null,"_partition":null},
                          {"id":3,"note":"c","_headers":null,"_timestamp":null,"_partition":4},
                          {"id":4,"note":"d","_headers":null,"_timestamp":999,"_partition":0}])",
              options),
      ElementsAre(R"((none) → {"id":1,"note":"a"} in 3 at 1700000000123 h=x n=(none))",
                  R"((none) → {"id":2,"note":"b"})", "2: topic 'orders' has no partition 4; it has 4",
                  "3: a message's time has to be after 1970-01-01 00:00:00"));
}

TEST_F(KafkaRecords, TheKeyAMessageCameWithIsNoPartOfItsValue) {
  auto fields = id_and_note();
  fields.push_back(arrow::field("_key", arrow::binary()));
  EXPECT_THAT(records(fields, R"([{"id":1,"note":"a","_key":"k"}])", {{"key", "_key"}}),
              ElementsAre(R"(k → {"id":1,"note":"a"})"));
}

TEST_F(KafkaRecords, AMessageThatIsTooLargeIsNamed) {
  const std::string json = R"([{"id":1,"note":")" + std::string(200, 'x') + R"("},{"id":2,"note":"b"}])";
  EXPECT_THAT(records(id_and_note(), json, {}), ElementsAre(R"((none) → {"id":2,"note":"b"})",
                                                            HasSubstr("topic 'orders' takes 200 (max.message.bytes)")));
  EXPECT_THAT(records(id_and_note(), json, {}, /*judges=*/false, {"orders", 4, 200, /*limit_is_known=*/false}),
              ElementsAre(R"((none) → {"id":2,"note":"b"})",
                          HasSubstr("200 is taken for the max.message.bytes of topic 'orders', which this user may not "
                                    "read; grant DESCRIBE_CONFIGS")));
}

TEST_F(KafkaRecords, ARowThatTheFormatRefusesIsFoundAmongTheOthers) {
  EXPECT_THAT(records(id_and_note(), R"([{"id":1,"note":"a"},{"id":2,"note":"poison"},{"id":3,"note":"c"}])", {},
                      /*judges=*/true),
              ElementsAre(R"((none) → {"id":1,"note":"a"})", R"((none) → {"id":3,"note":"c"})", "1: a row is poison"));
}

TEST_F(KafkaRecords, AKeyThatItsFormatRefusesIsFoundAmongTheOthers) {
  EXPECT_THAT(records(id_and_note(),
                      R"([{"id":1,"note":"a"},{"id":2,"note":"toxic"},{"id":3,"note":"poison"},{"id":4,"note":"d"}])",
                      {{"key", "note"}, {"key_format", "json"}}, /*judges=*/true),
              ElementsAre(R"({"note":"a"} → {"id":1,"note":"a"})", R"({"note":"d"} → {"id":4,"note":"d"})",
                          "1: the key: a row is toxic", "2: a row is poison"));
}

// Neither a key that is null in an upsert nor that of a row before its change becomes one.
TEST_F(KafkaRecords, KeysOfRowsWithoutARecordAreNotEncoded) {
  EXPECT_THAT(records(changes(), R"([{"id":null,"note":"toxic","_op":"insert"},{"id":2,"note":"b","_op":"insert"}])",
                      {{"key", "id, note"}, {"key_format", "json"}}),
              ElementsAre(R"({"id":2,"note":"b"} → {"id":2,"note":"b"})", "0: key column 'id' is null"));
  auto fields = changes();
  fields.push_back(arrow::field("_ts", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
  fields.push_back(arrow::field("_pos", arrow::utf8()));
  const auto seen =
      records(fields,
              R"([{"id":1,"note":"toxic","_op":"before","_ts":0,"_pos":"p"},
                                {"id":1,"note":"b","_op":"update","_ts":0,"_pos":"p"}])",
              {{"key", "note"}, {"key_format", "json"}, {"envelope", "debezium"}}, false, {"orders", 4, 500});
  EXPECT_THAT(seen, ElementsAre(HasSubstr("{\"note\":\"b\"} → {\"before\":{\"id\":1,\"note\":\"toxic\"}")));
}

// --- options ---

void refuses(const Options& options, const std::string& says, const std::string& topic = "orders") {
  expect_error(kafka::sink_settings(registry(), request_for(topic, options)), Fault::user, says);
}

TEST(KafkaSinkOptions, WhatDoesNotFitTogetherIsRefused) {
  refuses({{"mode", "upsert"}}, "needs key");
  refuses({{"mode", "upsert"}, {"key", "id"}, {"envelope", "debezium"}}, "leave out mode");
  refuses({{"key_format", "json"}}, "key_format needs key");
  refuses({{"format", "jsn"}}, "jsn");
  refuses({{"rdkafka.transactional.id", "x"}}, "transactional_id");
  refuses({{"rdkafka.acks", "1"}}, "rdkafka.acks");
  refuses({{"if_exists", "error"}}, "unnamed");
  refuses({}, "where positions are kept", "__sluice_positions");
  refuses({}, "names no topic", "");
  refuses({}, "not a topic's name", "a b");
}

TEST(KafkaSinkOptions, TablesGoWhereTheLocationSays) {
  auto settings = value_of(kafka::sink_settings(registry(), request_for("shop.{schema}.{table}")));
  EXPECT_TRUE(settings.many_tables());
  EXPECT_EQ(value_of(settings.topic_for({"public", "orders"})), "shop.public.orders");
  expect_error(settings.topic_for({"public", "or ders"}), Fault::user, "not a topic's name");
}

}  // namespace
}  // namespace sluice::conformance
