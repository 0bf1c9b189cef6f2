#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "net/test_server.h"
#include "sluice/sluice.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

class Api : public ::testing::Test {
 protected:
  Api() : folder_(std::filesystem::temp_directory_path() / ("sluice_api_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~Api() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string uri(const std::string& name) const { return "file://" + path(name); }
  std::string state() const { return "sqlite:" + path("state.db"); }
  void put(const std::string& name, const std::string& text) { std::ofstream(path(name)) << text; }
  static BatchPtr batch(const std::vector<std::string>& events) { return batch_from_json(events).value(); }

  // All rows below a location, as lines of JSON.
  static std::string read_all(const std::string& uri) {
    auto source = create_source(uri).value();
    auto reader = source->create_reader().value();
    std::string lines;
    while (auto rows = reader->read().value()) lines += batch_to_json(rows).value();
    EXPECT_TRUE(reader->finished());
    return lines;
  }

  std::filesystem::path folder_;
};

TEST_F(Api, a_source_says_what_it_has_and_reads_it) {
  put("a.jsonl", "{\"id\":1,\"name\":\"ä\"}\n{\"id\":2,\"name\":null}\n");
  auto source = create_source(uri("a.jsonl")).value();
  EXPECT_EQ(source->fetch_schema().value()->ToString(), "id: int64\nname: string");
  EXPECT_TRUE(source->supports_batch());
  ReadOptions options;
  options.columns = {"name"};
  auto reader = source->create_reader(options).value();
  EXPECT_EQ(batch_to_json(reader->read().value()).value(), "{\"name\":\"ä\"}\n{\"name\":null}\n");
  EXPECT_EQ(reader->read().value(), nullptr);
  EXPECT_TRUE(reader->finished());
}

TEST_F(Api, a_reader_goes_on_behind_a_position) {
  put("a.jsonl", "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n");
  auto source = create_source(uri("a.jsonl")).value();
  ReadOptions options;
  options.batch_rows = 2;
  auto reader = source->create_reader(options).value();
  ASSERT_EQ(reader->read().value()->num_rows(), 2);
  options.from = reader->position();
  auto rest = source->create_reader(options).value();
  EXPECT_EQ(batch_to_json(rest->read().value()).value(), "{\"id\":3}\n");
}

TEST_F(Api, nothing_is_visible_before_commit_and_what_is_left_behind_is_discarded) {
  auto sink = create_sink(uri("out/?format=parquet")).value();
  {
    auto writer = sink->create_writer().value();
    ASSERT_TRUE(writer->write(batch({R"({"id":1})"})).ok());
    EXPECT_FALSE(create_source(uri("out/*.parquet")).value()->fetch_schema().ok());
    ASSERT_TRUE(writer->commit("one").ok());
    EXPECT_EQ(read_all(uri("out/*.parquet")), "{\"id\":1}\n");
    ASSERT_TRUE(writer->write(batch({R"({"id":2})"})).ok());
  }
  EXPECT_EQ(read_all(uri("out/*.parquet")), "{\"id\":1}\n");
}

TEST_F(Api, a_name_remembers_what_was_committed_under_it) {
  auto sink = create_sink(uri("out/?format=parquet")).value();
  WriterOptions options{.name = "copy", .state = state(), .collection = {}};
  {
    auto writer = sink->create_writer(options).value();
    EXPECT_EQ(writer->position(), "");
    ASSERT_TRUE(writer->write(batch({R"({"id":1})"})).ok());
    ASSERT_TRUE(writer->commit("behind 1").ok());
    ASSERT_TRUE(writer->write(batch({R"({"id":2})"})).ok());
    auto second = sink->create_writer(options);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().fault, Fault::transient);  // the name is free again when the first one is closed
  }
  auto writer = sink->create_writer(options).value();
  EXPECT_EQ(writer->position(), "behind 1");
  ASSERT_TRUE(writer->write(batch({R"({"id":2})"})).ok());
  ASSERT_TRUE(writer->close().ok());
  EXPECT_EQ(read_all(uri("out/*.parquet?columns=id%20BIGINT")).size(), std::string("{\"id\":1}\n{\"id\":2}\n").size());
  EXPECT_FALSE(create_sink(uri("elsewhere/")).value()->create_writer(options).ok());
}

TEST_F(Api, columns_may_change_between_commits_and_not_inside_of_one) {
  auto writer = create_sink(uri("out/?format=json")).value()->create_writer().value();
  ASSERT_TRUE(writer->write(batch({R"({"id":1})"})).ok());
  auto mixed = writer->write(batch({R"({"other":1})"}));
  ASSERT_FALSE(mixed.ok());
  EXPECT_THAT(mixed.error().what, HasSubstr("commit() in between"));
  auto again = create_sink(uri("again/?format=json")).value()->create_writer().value();
  ASSERT_TRUE(again->write(batch({R"({"id":1})"})).ok() && again->commit().ok());
  ASSERT_TRUE(again->write(batch({R"({"other":1})"})).ok() && again->close().ok());
}

TEST_F(Api, sql_runs_and_says_what_it_delivered) {
  put("a.jsonl", "{\"id\":1}\n{\"id\":2}\n");
  SqlOptions options;
  options.state = state();
  options.variables = {{"DIR", folder_.string()}};
  auto sql = "CREATE TABLE t AS SELECT id FROM file('${DIR}/a.jsonl') INSERT INTO file('${DIR}/t/', format := 'orc')";
  auto delivered = run_sql(sql, options).value();
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_EQ(delivered[0].rows, 2);
  EXPECT_EQ(delivered[0].guarantee, "exactly-once");
  EXPECT_TRUE(run_sql(sql, options).value()[0].nothing_new);
  EXPECT_EQ(read_all(uri("t/*.orc")), "{\"id\":1}\n{\"id\":2}\n");
  EXPECT_FALSE(run_sql("SELECT 1", options).ok());
}

TEST_F(Api, an_s3_config_needs_bucket_and_region) {
  EXPECT_THAT(S3Config::builder().region("us-east-1").build().error().what, HasSubstr("needs a bucket"));
  EXPECT_THAT(S3Config::builder().bucket("b").build().error().what, HasSubstr("needs a region"));
  auto config = S3Config::builder()
                    .bucket("my-bucket")
                    .region("us-east-1")
                    .prefix("path/to data")
                    .format(SerializationFormat::Json)
                    .compression(Compression::Zstd)
                    .key_strategy(KeyGenerationStrategy::HivePartitioned)
                    .max_retries(5)
                    .endpoint_url("http://localhost:4566")
                    .force_path_style(true)
                    .build();
  EXPECT_EQ(
      config.value().uri(),
      "s3://my-bucket/?collection=events&compression=zstd&endpoint_url=http://localhost:4566&force_path_style=true"
      "&format=json&key_strategy=HivePartitioned&max_retries=5&prefix=path/to%20data&region=us-east-1");
  EXPECT_FALSE(S3Config::builder()
                   .bucket("b")
                   .region("r")
                   .format(SerializationFormat::Avro)
                   .compression(Compression::Lz4)
                   .build()
                   .ok());
}

// A bucket, as far as new objects go.
class FakeBucket {
 public:
  [[nodiscard]] std::string url() const { return server_.url(); }
  std::vector<net::SeenRequest> seen() { return server_.seen(); }
  std::map<std::string, std::string> take_objects() {
    std::lock_guard lock(mutex_);
    return std::exchange(objects_, {});
  }

 private:
  net::ServerReply answer(const net::SeenRequest& request) {
    std::lock_guard lock(mutex_);
    if (request.method == "GET") return {200, "<ListBucketResult/>", {}};
    if (request.method != "PUT") return {404, "", {}};
    objects_[request.target] = request.body;
    return {200, "", {"ETag: \"e\""}};
  }

  std::mutex mutex_;
  std::map<std::string, std::string> objects_;
  net::TestServer server_{[this](const net::SeenRequest& request) { return answer(request); }};
};

TEST_F(Api, a_destination_writes_every_format_in_every_compression_it_can_have) {
  ::setenv("SLUICE_SPOOL", path("spool").c_str(), 1);
  FakeBucket bucket;
  const std::vector<std::string> events = {R"({"id":1,"name":"ä"})", R"({"id":2,"name":"b"})"};
  int refused = 0;
  for (auto format : {SerializationFormat::Json, SerializationFormat::Csv, SerializationFormat::Parquet,
                      SerializationFormat::Avro, SerializationFormat::Orc, SerializationFormat::Arrow}) {
    for (auto compression :
         {Compression::None, Compression::Gzip, Compression::Zstd, Compression::Snappy, Compression::Lz4}) {
      auto builder = S3Config::builder();
      builder.bucket("lake").region("us-east-1").endpoint_url(bucket.url()).format(format).compression(compression);
      builder.access_key_id("AKIA").secret_access_key("hunter2").session_token("t0ken");
      auto config = builder.key_strategy(KeyGenerationStrategy::Flat).build();
      if (!config.ok()) {
        EXPECT_THAT(config.error().what, HasSubstr("files cannot be compressed with"));
        ++refused;
        continue;
      }
      auto destination = S3Destination::create(config.value()).value();
      ASSERT_TRUE(destination.write_batch(events).ok()) << config->uri();
      ASSERT_TRUE(destination.write_batch(batch({R"({"id":3,"name":"c"})"})).ok());
      ASSERT_TRUE(destination.close().ok());
      EXPECT_THAT(destination.write_batch(batch(events)).error().what, HasSubstr("closed"));
      std::string rows;
      for (const auto& [target, body] : bucket.take_objects()) {
        const auto name = target.substr(target.rfind('/') + 1);
        put(name, body);
        rows += read_all(uri(name));
      }
      EXPECT_THAT(rows, testing::AllOf(HasSubstr("{\"id\":1,\"name\":\"ä\"}\n{\"id\":2,\"name\":\"b\"}\n"),
                                       HasSubstr("{\"id\":3,\"name\":\"c\"}\n"), testing::SizeIs(61)))
          << config->uri();
    }
  }
  EXPECT_EQ(refused, 3);  // avro in lz4, arrow in gzip and snappy
  for (const auto& request : bucket.seen()) {
    EXPECT_TRUE(request.has("Credential=AKIA/") && request.has("x-amz-security-token: t0ken\r")) << request.head;
  }
}

TEST_F(Api, a_sink_says_what_it_can_and_what_it_cannot_hold) {
  auto files = create_sink(uri("out/?format=orc")).value();
  EXPECT_FALSE(files->supports_transactions());  // the state store decides, not the target
  EXPECT_FALSE(files->supports_upsert());
  EXPECT_TRUE(files->validate_schema(*arrow::schema({arrow::field("id", arrow::int64())})).ok());
  auto unfit = files->validate_schema(*arrow::schema({arrow::field("at", arrow::time64(arrow::TimeUnit::MICRO))}));
  ASSERT_FALSE(unfit.ok());
  EXPECT_THAT(unfit.error().what, HasSubstr("'at'"));
  auto table = create_sink("sqlite://" + path("a.db") + "?table=t").value();
  EXPECT_TRUE(table->supports_transactions());
  EXPECT_FALSE(table->supports_upsert());
}

TEST_F(Api, a_writer_asks_for_a_commit_when_a_file_is_done) {
  auto writer = create_sink(uri("out/?format=json&rotate_age=1ms")).value()->create_writer().value();
  ASSERT_TRUE(writer->write(batch({R"({"id":1})"})).ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  ASSERT_TRUE(writer->write(batch({R"({"id":2})"})).ok());
  EXPECT_TRUE(writer->wants_commit());
  ASSERT_TRUE(writer->commit("two").ok());
  EXPECT_FALSE(writer->wants_commit());
}

TEST_F(Api, a_source_says_whether_it_goes_on_and_a_closed_reader_gives_nothing) {
  put("a.jsonl", "{\"id\":1}\n");
  EXPECT_FALSE(create_source(uri("a.jsonl")).value()->supports_streaming());
  EXPECT_TRUE(create_source(uri("a.jsonl?watch=true")).value()->supports_streaming());
  ReadOptions streaming;
  streaming.streaming = true;
  auto ends = create_source(uri("a.jsonl")).value()->create_reader(streaming);
  ASSERT_FALSE(ends.ok());
  EXPECT_THAT(ends.error().what, HasSubstr("add watch=true"));
  auto reader = create_source(uri("a.jsonl")).value()->create_reader().value();
  ASSERT_TRUE(reader->close().ok());
  EXPECT_THAT(reader->read().error().what, HasSubstr("the reader is closed"));
}

TEST_F(Api, what_is_wrong_with_a_location_is_said_at_once) {
  EXPECT_THAT(create_source("nowhere://x").error().what, HasSubstr("nowhere"));
  EXPECT_THAT(create_sink(uri("out/?fromat=json")).error().what, HasSubstr("did you mean 'format'"));
}

}  // namespace
}  // namespace sluice
