#include "sql/change_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sql/testing_run.h"

namespace sluice::sql {
namespace {

using testing::add_table;
using ::testing::HasSubstr;
using testing::text_of;

// Updates leave `large` out; two snapshot rows have no position of their own.
void add_changes() {
  add_table("changes",
            arrow::schema({arrow::field("id", arrow::int64()), arrow::field("tag", arrow::int32()),
                           arrow::field("large", arrow::utf8()), arrow::field("_op", arrow::utf8()),
                           arrow::field("_pos", arrow::utf8()), arrow::field("_unchanged", arrow::utf8())}),
            {R"([{"id": 1, "tag": 1, "large": "x", "_op": "snapshot", "_pos": "0"},
                 {"id": 2, "tag": 2, "large": "y", "_op": "snapshot", "_pos": "0"},
                 {"id": 1, "tag": 2, "large": null, "_op": "update", "_pos": "1", "_unchanged": "large"},
                 {"id": 3, "tag": 2, "large": "z", "_op": "insert", "_pos": "2"}])"});
}

void add_tags(const std::string& rows) {
  add_table("tags",
            arrow::schema({arrow::field("tag", arrow::int32()), arrow::field("word", arrow::utf8()),
                           arrow::field("current", arrow::boolean())}),
            {rows});
}

constexpr const char* kJoin = "FROM file('changes') c JOIN file('tags') t ON c.tag = t.tag";

TEST(ChangeFilter, AChangeThatFindsSeveralRowsOfALookupIsRefused) {
  add_changes();
  add_tags(R"([{"tag": 1, "word": "a"}, {"tag": 1, "word": "b"}])");  // no more rows come out than went in
  const auto text = text_of(fmt::format("SELECT c.id, t.word {}", kJoin));
  EXPECT_THAT(text, HasSubstr("lookup file('tags') on c.tag = tag: a change found several rows with its key"));
}

TEST(ChangeFilter, ARepeatedKeyIsNoMatterWhereOneRowOfItIsLeft) {
  add_changes();
  add_tags(R"([{"tag": 1, "word": "a", "current": false}, {"tag": 2, "word": "b", "current": true},
               {"tag": 2, "word": "c", "current": false}])");
  EXPECT_EQ(text_of(fmt::format("SELECT c.id, t.word {} WHERE t.current", kJoin)),
            "2|b|snapshot|0|NULL\n1|b|update|1|large\n3|b|insert|2|NULL\n");
}

TEST(ChangeFilter, ADeleteTakesNoValueOfTheLookupsNamesake) {
  add_table("changes",
            arrow::schema({arrow::field("id", arrow::int64()), arrow::field("tag", arrow::int32()),
                           arrow::field("word", arrow::utf8()), arrow::field("_op", arrow::utf8()),
                           arrow::field("_pos", arrow::utf8())}),
            {R"([{"id": 7, "tag": null, "word": "of the change", "_op": "delete", "_pos": "1"}])"});
  add_tags(R"([{"tag": 1, "word": "a"}])");
  EXPECT_EQ(text_of(fmt::format("SELECT c.id, t.word {}", kJoin)), "7|NULL|delete|1\n");
}

TEST(ChangeFilter, AValueThatAnUpdateLeavesOutComesOutUnderItsOwnNameOnly) {
  add_changes();
  for (const auto* list : {"id, large AS big", "id, large, length(large) AS size", "*, large", "* EXCLUDE (_unchanged)",
                           "* RENAME (large AS big)", "* REPLACE (upper(large) AS large)", "id, 'x' AS large",
                           "id, c AS row_of_it", "coalesce(COLUMNS(['id', 'large'])::VARCHAR, '')"}) {
    EXPECT_THAT(text_of(fmt::format("SELECT {} FROM file('changes') c", list)),
                HasSubstr("an update does not carry column 'large'"))
        << list;
  }
  for (const auto* list : {"*", "id, large", "c.large, id + 1 AS id", "* EXCLUDE (tag)", "* EXCLUDE (large)", "id",
                           "* REPLACE (id + 1 AS id)", "id, tag AS other", "* EXCLUDE (large, _unchanged)"}) {
    EXPECT_THAT(text_of(fmt::format("SELECT {} FROM file('changes') c", list)), HasSubstr("update")) << list;
    EXPECT_THAT(text_of(fmt::format("SELECT {} FROM file('changes') c", list)), ::testing::Not(HasSubstr("does not")))
        << list;
  }
}

TEST(ChangeFilter, AKeyIsNotMadeUpForNull) {
  add_changes();
  const auto into_key = [](const std::string& list) {
    return text_of("INSERT INTO file('out', key := 'tag, id') SELECT " + list + " FROM file('changes')");
  };
  EXPECT_THAT(into_key("coalesce(large, '') AS id, tag"), HasSubstr("a.sql:1:43: key column 'id' is computed"));
  EXPECT_THAT(into_key("concat(id, large) AS ID, tag"), HasSubstr("key column 'ID' is computed"));
  EXPECT_THAT(into_key("id::VARCHAR || ':' || tag AS id, tag + 0 AS tag"), HasSubstr("1:1|1|snapshot"));
}

TEST(ChangeFilter, NamesInAListAreLeftOutToo) {
  add_table("changes",
            arrow::schema({arrow::field("id", arrow::int64()), arrow::field("large", arrow::utf8()),
                           arrow::field("_op", arrow::utf8()), arrow::field("_pos", arrow::utf8()),
                           arrow::field("_unchanged", arrow::list(arrow::utf8()))}),
            {R"([{"id": 1, "_op": "update", "_pos": "1", "_unchanged": ["large"]}])"});
  EXPECT_THAT(text_of("SELECT id, length(large) AS size FROM file('changes')"),
              HasSubstr("an update does not carry column 'large'"));
}

}  // namespace
}  // namespace sluice::sql
