// The grammar around the SELECT: which statements a file holds, their names, options and connector calls.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "port/plan.h"
#include "sql/lexer.h"
#include "sql/script.h"

namespace sluice::sql {

// connector('location', option := value, …) as written. Offsets are into Script::text().
struct ConnectorCall {
  struct Option {
    std::string name;
    std::string value;  // strings unquoted; lists as ['a', 'b']; everything else as written
    size_t offset = 0;
  };
  std::string connector;
  std::string location;
  std::vector<Option> options;
  size_t begin = 0;
  size_t end = 0;
  size_t location_offset = 0;
};

struct Statement {
  PipelineKind kind = PipelineKind::select;
  bool or_replace = false;
  std::string name;  // empty: unnamed
  std::vector<ConnectorCall::Option> with;
  std::optional<ConnectorCall> dead_letters;  // WITH (dead_letters := file('…'))
  std::optional<ConnectorCall> sink;
  size_t begin = 0;
  size_t end = 0;
  size_t select_begin = 0;  // the SELECT: everything between AS and INSERT INTO
  size_t select_end = 0;
  size_t first_token = 0;  // [first_token, last_token) of the script's tokens
  size_t last_token = 0;
  size_t select_first_token = 0;
  size_t select_last_token = 0;
};

// CREATE [OR REPLACE] STREAM|TABLE name [WITH (…)] AS SELECT … INSERT INTO connector(…)
// INSERT INTO connector(…) [WITH (…)] SELECT …        SELECT … [INSERT INTO connector(…)]
Result<std::vector<Statement>> split_statements(const Script& script, const std::vector<Token>& tokens);

// The call whose name is tokens[at]. Arguments are literals only.
Result<ConnectorCall> parse_connector_call(const Script& script, const std::vector<Token>& tokens, size_t at);

}  // namespace sluice::sql
