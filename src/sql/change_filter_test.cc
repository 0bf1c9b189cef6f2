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
  for (const auto* list :
       {"id, large AS big", "id, large, length(large) AS size", "*, large", "* EXCLUDE (_unchanged)",
        "* RENAME (large AS big)", "* REPLACE (upper(large) AS large)", "id, 'x' AS large", "* REPLACE ('x' AS large)",
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

// A source that tells rows apart by `id` and says of old rows what `old_rows` is.
void add_table_of_changes(std::string_view old_rows, const std::string& rows) {
  auto op = arrow::field("_op", arrow::utf8());
  if (!old_rows.empty()) op = op->WithMetadata(arrow::key_value_metadata({"old_rows"}, {std::string(old_rows)}));
  add_table("changes",
            arrow::schema({arrow::field("id", arrow::int64(), false), arrow::field("n", arrow::int64()),
                           arrow::field("active", arrow::boolean()), op, arrow::field("_pos", arrow::utf8())}),
            {rows});
}

TEST(ChangeFilter, ADeleteTakesNoKeyThatTheListReplaces) {
  add_table_of_changes("", R"([{"id": 1, "n": 7, "active": null, "_op": "delete", "_pos": "1"}])");
  const auto deleted = [](const std::string& list) {
    return text_of(fmt::format("SELECT {} FROM file('changes') WHERE active", list));
  };
  EXPECT_EQ(deleted("* REPLACE (id + 1000 AS id)"), "NULL|7|NULL|delete|1\n");
  EXPECT_EQ(deleted("* EXCLUDE (n) REPLACE (id + 1000 AS ID)"), "NULL|NULL|delete|1\n");
  EXPECT_EQ(deleted("* EXCLUDE (n)"), "1|NULL|delete|1\n");
  EXPECT_EQ(deleted("COLUMNS('id') + 1000, n, active, _op, _pos"), "NULL|7|NULL|delete|1\n");
  EXPECT_EQ(deleted("n AS id, id AS n"), "7|1|delete|1\n");
  EXPECT_EQ(deleted("*, n AS id"), "1|7|NULL|delete|1|7\n");
  EXPECT_EQ(text_of("SELECT id, n, _op, _pos FROM file('changes') AS t(n, id) WHERE active"), "NULL|NULL|delete|1\n");
}

TEST(ChangeFilter, AKeyThatTheListReplacesIsNotMadeUpForNull) {
  add_table_of_changes("", R"([{"id": 1, "n": 7, "active": true, "_op": "snapshot", "_pos": "1"}])");
  for (const auto* list : {"* REPLACE (coalesce(n, id) AS id)", "coalesce(COLUMNS(['id', 'n']), 0), _op, _pos",
                           "n, coalesce(COLUMNS('id'), 0), _op, _pos"}) {
    EXPECT_THAT(text_of(fmt::format("INSERT INTO file('out', key := 'id') SELECT {} FROM file('changes')", list)),
                HasSubstr("key column 'id' is computed"))
        << list;
  }
  EXPECT_EQ(text_of("INSERT INTO file('out', key := 'id') SELECT * REPLACE (id + 1 AS id, coalesce(n, 0) AS n) "
                    "FROM file('changes')"),
            "2|7|true|snapshot|1\n");
}

TEST(ChangeFilter, AComputedKeyBesideAConditionNeedsWholeOldRows) {
  const auto into_key = [](const std::string& rest) {
    return text_of("INSERT INTO file('out', key := 'id') SELECT " + rest);
  };
  add_tags(R"([{"tag": 1, "word": "a"}])");
  for (const auto* old_rows : {"", "key"}) {
    add_table_of_changes(old_rows, R"([{"id": 1, "n": null, "active": null, "_op": "delete", "_pos": "1"}])");
    for (const auto* rest :
         {"id + 1000 AS id, n FROM file('changes') WHERE active", "id::INTEGER AS id FROM file('changes') WHERE active",
          "* REPLACE (id + 1000 AS id) FROM file('changes') WHERE active",
          "c.id + 1 AS id FROM file('changes') c JOIN file('tags') t ON c.n = t.tag"}) {
      EXPECT_THAT(into_key(rest), HasSubstr("key column 'id' is not a column of the source as it is")) << rest;
      EXPECT_EQ(into_key(rest).find("REPLICA IDENTITY FULL") != std::string::npos, std::string_view(old_rows) == "key");
    }
    EXPECT_EQ(into_key("id, n + 1 AS n FROM file('changes') WHERE active"), "1|NULL|delete|1\n");
    EXPECT_EQ(into_key("id + 1000 AS id FROM file('changes')"), "1001|delete|1\n");
  }
  add_table_of_changes("full", R"([{"id": 1, "n": 1, "active": true, "_op": "before", "_pos": "1"},
                                   {"id": 1, "n": 1, "active": true, "_op": "delete", "_pos": "1"},
                                   {"id": 2, "n": 1, "active": false, "_op": "before", "_pos": "2"},
                                   {"id": 2, "n": 1, "active": false, "_op": "delete", "_pos": "2"}])");
  EXPECT_EQ(into_key("id + 1000 AS id FROM file('changes') WHERE active"), "1001|delete|1\n");
}

TEST(ChangeFilter, AComputedKeyThatChangesIsADeleteAndAnInsert) {
  constexpr const char* kUpdate = R"([{"id": 1, "n": 7, "active": true, "_op": "before", "_pos": "1"},
                                      {"id": 1, "n": 8, "active": true, "_op": "update", "_pos": "1"}])";
  add_table_of_changes("full", kUpdate);
  EXPECT_EQ(text_of("INSERT INTO file('out', key := 'k') SELECT n + 0 AS k, id FROM file('changes')"),
            "7|1|delete|1\n8|1|insert|1\n");
  EXPECT_EQ(text_of("INSERT INTO file('out', key := 'n') SELECT * REPLACE (n + 0 AS n) FROM file('changes')"),
            "1|7|true|delete|1\n1|8|true|insert|1\n");
  add_table_of_changes("key", R"([{"id": 1, "n": 8, "active": true, "_op": "update", "_pos": "1"}])");
  EXPECT_THAT(text_of("INSERT INTO file('out', key := 'k') SELECT n + 0 AS k, id FROM file('changes')"),
              HasSubstr("key column 'k' is not in the replica identity"));
  EXPECT_EQ(text_of("INSERT INTO file('out', key := 'k') SELECT id + 1 AS k, n FROM file('changes')"),
            "2|8|update|1\n");
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
