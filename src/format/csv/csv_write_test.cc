#include "format/csv/csv_testing.h"

namespace sluice::csv {
namespace {

class CsvWrite : public CsvTest {
 protected:
  Result<std::string> encode(const std::vector<BatchPtr>& batches, const Options& options = {}) {
    auto format = TRY(make(options, OptionScope::sink));
    auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
    auto encoder = TRY(format->create_encoder(context_, batches[0]->schema(), sink));
    for (const auto& batch : batches) TRY(encoder->write(*batch));
    TRY(encoder->finish());
    EXPECT_FALSE(sink->closed());
    EXPECT_EQ(encoder->bytes_out(), sink->Tell().ValueOrDie());
    return sink->Finish().ValueOrDie()->ToString();
  }
  static BatchPtr batch(const std::shared_ptr<arrow::Schema>& schema, const std::string& json) {
    return arrow::RecordBatch::FromStructArray(
               arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), json).ValueOrDie())
        .ValueOrDie();
  }
};

using namespace arrow;  // NOLINT: types by the dozen

TEST_F(CsvWrite, ValuesAreQuotedOnlyWhereNeeded) {
  auto rows = batch(schema({field("id", int64()), field("text, note", utf8())}),
                    R"([[1,"plain"],[2,"a,b"],[3,"say \"hi\""],[4,"two\nlines"],[5,""],[6,null],[null," x "]])");
  EXPECT_EQ(encode({rows}).value(),
            "id,\"text, note\"\n1,plain\n2,\"a,b\"\n3,\"say \"\"hi\"\"\"\n4,\"two\nlines\"\n5,\"\"\n6,\n, x \n");
}

TEST_F(CsvWrite, TheHeaderIsWrittenOnceAndAlsoWithoutRows) {
  auto rows = batch(schema({field("a", int64())}), "[[1]]");
  EXPECT_EQ(encode({rows, rows}).value(), "a\n1\n1\n");
  EXPECT_EQ(encode({rows->Slice(0, 0)}).value(), "a\n");
  EXPECT_EQ(encode({rows}, {{"header", "false"}}).value(), "1\n");
}

TEST_F(CsvWrite, OptionsChangeTheDialect) {
  auto rows = batch(schema({field("a", utf8()), field("b", utf8())}), R"([["x;y","it's"],["NA",null],["","\\"]])");
  EXPECT_EQ(encode({rows}, {{"delimiter", ";"}, {"quote", "'"}, {"escape", "\\"}, {"null", "NA"}}).value(),
            "a;b\n'x;y';'it\\'s'\n'NA';NA\n;\\\n");
  EXPECT_EQ(encode({rows}, {{"quote", ""}, {"delimiter", ";"}}).error().fault, Fault::user);
}

TEST_F(CsvWrite, EveryTypeHasAText) {
  auto rows = batch(schema({field("b", boolean()), field("u", uint64()), field("f", float64()),
                            field("d", decimal128(10, 2)), field("day", date32()), field("t", time64(TimeUnit::MICRO)),
                            field("ts", timestamp(TimeUnit::MICRO)), field("tz", timestamp(TimeUnit::MILLI, "UTC")),
                            field("x", binary()), field("s", dictionary(int32(), utf8())), field("n", null())}),
                    R"([[true,18446744073709551615,1,"-12.50",-1,3600000001,-1,1735689600123,"hi","red",null],
          [false,0,0.1,"0.00",20089,0,1735689600000000,0,"","blue",null]])");
  EXPECT_EQ(encode({rows}).value(),
            "b,u,f,d,day,t,ts,tz,x,s,n\n"
            "true,18446744073709551615,1.0,-12.50,1969-12-31,01:00:00.000001,1969-12-31 23:59:59.999999,"
            "2025-01-01 00:00:00.123Z,\\x6869,red,\n"
            "false,0,0.1,0.00,2025-01-01,00:00:00,2025-01-01 00:00:00,1970-01-01 00:00:00Z,\\x,blue,\n");
}

TEST_F(CsvWrite, NestedValuesAreJson) {
  auto point = struct_({field("x", int64()), field("label", utf8())});
  auto rows =
      batch(schema({field("tags", list(utf8())), field("p", point), field("m", map(utf8(), float64()))}),
            R"([[["a\"b",null],{"x":1,"label":"l\n"},[["k",1.5]]],[[],{"x":null,"label":null},[]],[null,null,null]])");
  EXPECT_EQ(encode({rows}).value(),
            "tags,p,m\n"
            "\"[\"\"a\\\"\"b\"\",null]\",\"{\"\"x\"\":1,\"\"label\"\":\"\"l\\n\"\"}\",\"{\"\"k\"\":1.5}\"\n"
            "[],\"{\"\"x\"\":null,\"\"label\"\":null}\",{}\n"
            ",,\n");
}

TEST_F(CsvWrite, TypesWithoutATextAreRefusedBeforeTheFirstRow) {
  auto rows = batch(schema({field("d", duration(TimeUnit::SECOND))}), "[[1]]");
  EXPECT_EQ(encode({rows}).error().message(), "column 'd': a INTERVAL cannot be written as csv; cast it to VARCHAR");
}

TEST_F(CsvWrite, WhatIsWrittenReadsBackTheSame) {
  auto rows =
      batch(schema({field("i", int64()), field("f", float64()), field("s", utf8()), field("d", date32()),
                    field("ts", timestamp(TimeUnit::MICRO)), field("tz", timestamp(TimeUnit::MICRO, "UTC")),
                    field("b", boolean()), field("x", binary()), field("e", decimal128(20, 3))}),
            R"([[1,1.5,"a,\"b\"\r\nc",1,1000001,-5,true,"z","1.250"],[null,1e300,"",null,null,null,null,null,null],
          [-9223372036854775808,-0.1,null,-700000,0,0,false,"",  "-99999999999999999.999"]])");
  for (const Options& options : {Options{}, Options{{"delimiter", "\\t"}, {"null", "NULL"}},
                                 Options{{"quote", "'"}, {"escape", "\\"}}, Options{{"header", "false"}}}) {
    How how;
    how.schema = rows->schema();
    auto text = encode({rows}, options).value();
    auto decoded = decode(text, options, how);
    ASSERT_TRUE(decoded.ok()) << decoded.error().message() << text;
    EXPECT_TRUE(decoded->batch->Equals(*rows)) << text << show(decoded->batch);
  }
}

}  // namespace
}  // namespace sluice::csv
