// Any bytes as a file of statements: the lexer and the splitter answer with statements or an error, and every offset
// they give has a position.
#include <cstdint>
#include <string>
#include <string_view>

#include "sql/statements.h"

using sluice::sql::Script;

namespace {

void visit(const Script& script) {
  auto tokens = sluice::sql::tokenize(script);
  if (!tokens.ok()) return;
  size_t at = 0;
  for (const auto& token : *tokens) {
    CHECK(token.begin >= at && token.begin <= token.end && token.end <= script.text().size());
    at = token.end;
  }
  auto statements = sluice::sql::split_statements(script, *tokens);
  if (!statements.ok()) return;
  for (const auto& statement : *statements) {
    CHECK(statement.select_begin <= statement.select_end && statement.select_end <= script.text().size());
    CHECK(statement.begin <= statement.end);
    CHECK(!script.position(statement.select_begin).empty());
    if (statement.sink) CHECK(statement.sink->begin < statement.sink->end);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto script = Script::make(text, "fuzz.sql", {{"A", "it's"}, {"B", "\"${A}\""}});
  if (script.ok()) visit(*script);
  return 0;
}
