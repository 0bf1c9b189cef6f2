#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gtest/gtest.h>

#include "batch/change.h"
#include "batch/inferred.h"
#include "batch/schema.h"
#include "batch/test_types.h"

namespace sluice {
namespace {

// The common type's name, or "refused"; the order of the two must not matter.
std::string common(const TypePtr& a, const TypePtr& b) {
  auto forward = widen(a, b);
  auto backward = widen(b, a);
  EXPECT_EQ(forward.ok(), backward.ok());
  if (!forward.ok()) {
    EXPECT_EQ(forward.error().fault, Fault::user);
    return "refused";
  }
  EXPECT_EQ(type_name(*forward.value()), type_name(*backward.value()));
  return type_name(*forward.value());
}
std::string common(std::string_view a, std::string_view b) { return common(type(a), type(b)); }

TEST(WidenTest, IntegersTakeTheNarrowestThatHoldsBoth) {
  EXPECT_EQ(common("INTEGER", "INTEGER"), "INTEGER");
  EXPECT_EQ(common("INTEGER", "BIGINT"), "BIGINT");
  EXPECT_EQ(common("TINYINT", "SMALLINT"), "SMALLINT");
  EXPECT_EQ(common("UTINYINT", "TINYINT"), "SMALLINT");
  EXPECT_EQ(common("UTINYINT", "BIGINT"), "BIGINT");
  EXPECT_EQ(common("USMALLINT", "TINYINT"), "INTEGER");
  EXPECT_EQ(common("UINTEGER", "INTEGER"), "BIGINT");
  EXPECT_EQ(common("UINTEGER", "UBIGINT"), "UBIGINT");
  EXPECT_EQ(common("UBIGINT", "BIGINT"), "DECIMAL(20,0)");
  EXPECT_EQ(common("UBIGINT", "TINYINT"), "DECIMAL(20,0)");
}

TEST(WidenTest, IntegersMeetFloatsOnlyWhereEveryValueIsExact) {
  EXPECT_EQ(common("INTEGER", "DOUBLE"), "DOUBLE");
  EXPECT_EQ(common("UINTEGER", "DOUBLE"), "DOUBLE");
  EXPECT_EQ(common("SMALLINT", "FLOAT"), "FLOAT");
  EXPECT_EQ(common("INTEGER", "FLOAT"), "DOUBLE");
  EXPECT_EQ(common("FLOAT", "DOUBLE"), "DOUBLE");
  EXPECT_EQ(common("BIGINT", "DOUBLE"), "refused");
  EXPECT_EQ(common("UBIGINT", "FLOAT"), "refused");
  EXPECT_TRUE(widen(arrow::float16(), arrow::int8()).value()->Equals(*arrow::float16()));
  EXPECT_TRUE(widen(arrow::float16(), arrow::int16()).value()->Equals(*arrow::float32()));
}

TEST(WidenTest, DecimalsGrowUpTo38Digits) {
  EXPECT_EQ(common("DECIMAL(10,2)", "DECIMAL(8,4)"), "DECIMAL(12,4)");
  EXPECT_EQ(common("DECIMAL(10,2)", "INTEGER"), "DECIMAL(12,2)");
  EXPECT_EQ(common("DECIMAL(5,2)", "BIGINT"), "DECIMAL(21,2)");
  EXPECT_EQ(common("DECIMAL(5,2)", "UBIGINT"), "DECIMAL(22,2)");
  EXPECT_EQ(common("DECIMAL(20,2)", "TINYINT"), "DECIMAL(20,2)");
  EXPECT_EQ(common("HUGEINT", "BIGINT"), "DECIMAL(38,0)");
  EXPECT_EQ(common("HUGEINT", "DECIMAL(3,2)"), "refused");
  EXPECT_EQ(common("DECIMAL(5,2)", "DOUBLE"), "refused");
  EXPECT_EQ(common(arrow::decimal256(50, 2), arrow::decimal128(38, 10)), "DECIMAL(58,10)");
}

TEST(WidenTest, NullTakesTheOtherTypeAndTextTakesNothing) {
  EXPECT_EQ(common("\"NULL\"", "VARCHAR"), "VARCHAR");
  EXPECT_EQ(common("\"NULL\"", "STRUCT(a INTEGER)"), "STRUCT(a INTEGER)");
  for (const char* other : {"BIGINT", "DOUBLE", "BOOLEAN", "DATE", "BLOB", "VARCHAR[]", "TIMESTAMP"}) {
    EXPECT_EQ(common("VARCHAR", other), "refused") << other;
  }
  EXPECT_EQ(common("BOOLEAN", "TINYINT"), "refused");
  EXPECT_EQ(widen(type("BIGINT"), type("VARCHAR")).error().what,
            "BIGINT and VARCHAR have no common type that keeps every value");
}

TEST(WidenTest, TimesTakeTheFinerUnit) {
  EXPECT_EQ(common("DATE", "TIMESTAMP"), "TIMESTAMP");
  EXPECT_EQ(common("DATE", "TIMESTAMP_MS"), "TIMESTAMP_MS");
  EXPECT_EQ(common("TIMESTAMP_S", "TIMESTAMP_NS"), "TIMESTAMP_NS");
  EXPECT_EQ(common("TIMESTAMP_MS WITH TIME ZONE", "TIMESTAMPTZ"), "TIMESTAMP WITH TIME ZONE");
  EXPECT_EQ(common("TIMESTAMP", "TIMESTAMPTZ"), "refused");
  EXPECT_EQ(common("DATE", "TIMESTAMPTZ"), "refused");
  EXPECT_EQ(common("TIME", "TIME_NS"), "TIME_NS");
  EXPECT_TRUE(widen(arrow::date64(), arrow::date32()).value()->Equals(*arrow::date32()));
  EXPECT_TRUE(widen(arrow::time32(arrow::TimeUnit::SECOND), arrow::time32(arrow::TimeUnit::MILLI))
                  .value()
                  ->Equals(*arrow::time32(arrow::TimeUnit::MILLI)));
  EXPECT_TRUE(widen(arrow::duration(arrow::TimeUnit::SECOND), arrow::duration(arrow::TimeUnit::NANO))
                  .value()
                  ->Equals(*arrow::duration(arrow::TimeUnit::NANO)));
}

TEST(WidenTest, DifferentZonesAreTheSameInstantsInUtc) {
  auto berlin = arrow::timestamp(arrow::TimeUnit::MILLI, "Europe/Berlin");
  auto utc = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  EXPECT_TRUE(widen(berlin, utc).value()->Equals(*utc));
  EXPECT_TRUE(widen(berlin, berlin).value()->Equals(*berlin));
}

TEST(WidenTest, KindsOfStorageMeetInTheRoomierOne) {
  EXPECT_TRUE(widen(arrow::utf8(), arrow::large_utf8()).value()->Equals(*arrow::large_utf8()));
  EXPECT_TRUE(widen(arrow::utf8_view(), arrow::utf8()).value()->Equals(*arrow::utf8()));
  EXPECT_TRUE(widen(arrow::fixed_size_binary(4), arrow::fixed_size_binary(8)).value()->Equals(*arrow::binary()));
  EXPECT_TRUE(widen(arrow::dictionary(arrow::int8(), arrow::utf8()), arrow::utf8()).value()->Equals(*arrow::utf8()));
  auto big = widen(arrow::list(arrow::int32()), arrow::large_list(arrow::int64())).value();
  EXPECT_EQ(big->id(), arrow::Type::LARGE_LIST);
}

TEST(WidenTest, StructsUnifyByFieldName) {
  EXPECT_EQ(common("STRUCT(a INTEGER, b VARCHAR)", "STRUCT(a BIGINT, b VARCHAR)"), "STRUCT(a BIGINT, b VARCHAR)");
  EXPECT_EQ(type_name(*widen(type("STRUCT(a INTEGER)"), type("STRUCT(b DATE, a BIGINT)")).value()),
            "STRUCT(a BIGINT, b DATE)");
  EXPECT_EQ(widen(type("STRUCT(u STRUCT(a INTEGER))"), type("STRUCT(u STRUCT(a VARCHAR))")).error().what,
            "field 'u': field 'a': INTEGER and VARCHAR have no common type that keeps every value");
  EXPECT_EQ(common("STRUCT(a INTEGER)", "MAP(VARCHAR, INTEGER)"), "refused");
}

TEST(WidenTest, ListsAndMapsUnifyByElement) {
  EXPECT_EQ(common("INTEGER[]", "BIGINT[]"), "BIGINT[]");
  EXPECT_EQ(common("\"NULL\"[]", "STRUCT(a DATE)[]"), "STRUCT(a DATE)[]");
  EXPECT_EQ(common("INTEGER[3]", "BIGINT[3]"), "BIGINT[3]");
  EXPECT_EQ(common("INTEGER[3]", "INTEGER[2]"), "INTEGER[]");
  EXPECT_EQ(common("MAP(VARCHAR, INTEGER)", "MAP(VARCHAR, BIGINT)"), "MAP(VARCHAR, BIGINT)");
  EXPECT_EQ(common("INTEGER[]", "INTEGER"), "refused");
}

TEST(UnifyTest, ColumnsAreJoinedByNameInOrderOfAppearance) {
  auto unified = unify(columns("id INTEGER NOT NULL, name VARCHAR"), columns("at DATE NOT NULL, id BIGINT NOT NULL"));
  ASSERT_TRUE(unified.ok());
  EXPECT_TRUE(unified.value()->Equals(*columns("id BIGINT NOT NULL, name VARCHAR, at DATE")))
      << unified.value()->ToString();
}

TEST(UnifyTest, NamesAreCaseSensitive) {
  EXPECT_EQ(unify(columns("id INTEGER"), columns("ID VARCHAR")).value()->num_fields(), 2);
}

TEST(UnifyTest, EqualSchemasAreTheSameObject) {
  auto schema = columns("id INTEGER");
  EXPECT_EQ(unify(schema, columns("id INTEGER")).value(), schema);
}

TEST(UnifyTest, TheErrorNamesTheColumnAndBothTypes) {
  EXPECT_EQ(unify(columns("a INT, price DOUBLE"), columns("price VARCHAR")).error().what,
            "column 'price': DOUBLE and VARCHAR have no common type that keeps every value");
}

TEST(UnifyTest, AColumnThatAppearsTwiceIsAnError) {
  auto twice = arrow::schema({arrow::field("a", arrow::int8()), arrow::field("a", arrow::int8())});
  EXPECT_EQ(unify(twice, columns("b INT")).error().what, "column 'a' appears twice");
  EXPECT_EQ(unify(columns("b INT"), twice).error().what, "column 'a' appears twice");
}

TEST(UnifyTest, IntegersOfASampleBecomeDoublesWhereAnotherSampleHasFractions) {
  auto both = unify_inferred(columns("a BIGINT, s STRUCT(x BIGINT, l BIGINT[])"),
                             columns("a DOUBLE, s STRUCT(x DOUBLE, l DOUBLE[])"));
  EXPECT_TRUE(both.value()->Equals(*columns("a DOUBLE, s STRUCT(x DOUBLE, l DOUBLE[])")));
  EXPECT_FALSE(unify_inferred(columns("a BIGINT"), columns("a VARCHAR")).ok());
}

TEST(ReservedColumnsTest, ChangeColumnsInUserDataAreAnErrorWhateverTheirCase) {
  EXPECT_TRUE(refuse_reserved_columns(*columns("id INT, op VARCHAR, _opx INT"), "a.json").ok());
  EXPECT_EQ(refuse_reserved_columns(*columns("id INT, _op VARCHAR"), "a.json").error().what,
            "a.json: column '_op' has a name that is reserved for change data (_op, _ts, _pos, _unchanged); rename it");
  EXPECT_FALSE(refuse_reserved_columns(*columns("_TS DATE"), "").ok());
  EXPECT_FALSE(refuse_reserved_columns(*columns("_pos DATE"), "").ok());
}

}  // namespace
}  // namespace sluice
