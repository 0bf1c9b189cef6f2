// Messages of PostgreSQL's logical decoding plugin pgoutput, protocol 1 to 4
// (https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html). Nothing is copied: every view
// points into the message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace sluice::postgres {

using Lsn = uint64_t;
// "16/B374D848", as PostgreSQL writes it, and back.
std::string lsn_text(Lsn lsn);
Result<Lsn> parse_lsn(std::string_view text);

namespace pgoutput {

// One column of a row. `form` is the wire's letter.
struct Value {
  char form = 'n';  // n NULL, u unchanged TOAST (not sent), t text, b binary
  std::string_view bytes;
};

// The columns of one row, read in order.
class Tuple {
 public:
  Tuple() = default;
  Tuple(std::string_view bytes, int columns) : rest_(bytes), columns_(columns) {}
  [[nodiscard]] int columns() const { return columns_; }
  // Called at most columns() times; parse() has checked that they are there.
  Value next();

 private:
  std::string_view rest_;
  int columns_ = 0;
};

struct Begin {
  Lsn commit_lsn = 0;       // where the commit record begins
  int64_t commit_time = 0;  // microseconds since 2000-01-01 UTC
  uint32_t xid = 0;
};
struct Commit {
  Lsn commit_lsn = 0;
  Lsn end_lsn = 0;  // behind the commit record
  int64_t commit_time = 0;
};
struct Origin {
  Lsn commit_lsn = 0;
  std::string_view name;
};
struct RelationColumn {
  bool in_key = false;  // of the replica identity
  std::string name;
  uint32_t type = 0;
  int32_t typmod = -1;
  bool operator==(const RelationColumn&) const = default;
};
struct Relation {
  uint32_t xid = 0;  // of the (sub)transaction, inside a streamed block
  uint32_t oid = 0;
  std::string schema;
  std::string name;
  char identity = 'd';  // pg_class.relreplident
  std::vector<RelationColumn> columns;
};
struct TypeName {
  uint32_t xid = 0;
  uint32_t oid = 0;
};
struct Insert {
  uint32_t xid = 0;
  uint32_t relation = 0;
  Tuple row;
};
// What an UPDATE or DELETE carries of the old row.
enum class Old : char { none = 0, key = 'K', full = 'O' };
struct Update {
  uint32_t xid = 0;
  uint32_t relation = 0;
  Old carries = Old::none;
  Tuple old;
  Tuple row;
};
struct Delete {
  uint32_t xid = 0;
  uint32_t relation = 0;
  Old carries = Old::key;
  Tuple old;
};
struct Truncate {
  uint32_t xid = 0;
  bool cascade = false;
  bool restart_identity = false;
  std::vector<uint32_t> relations;
};
// pg_logical_emit_message()
struct LogicalMessage {
  uint32_t xid = 0;
  bool transactional = false;
  Lsn lsn = 0;
  std::string_view prefix;
  std::string_view content;
};
struct StreamStart {
  uint32_t xid = 0;
  bool first_segment = false;
};
struct StreamStop {};
struct StreamCommit {
  uint32_t xid = 0;
  Lsn commit_lsn = 0;
  Lsn end_lsn = 0;
  int64_t commit_time = 0;
};
struct StreamAbort {
  uint32_t xid = 0;
  uint32_t subxid = 0;  // the same as xid: all of it
};

using Message = std::variant<Begin, Commit, Origin, Relation, TypeName, Insert, Update, Delete, Truncate,
                             LogicalMessage, StreamStart, StreamStop, StreamCommit, StreamAbort>;

// `streamed`: between Stream Start and Stream Stop, where most messages begin with the id of their (sub)transaction.
Result<Message> parse(std::string_view message, bool streamed);

}  // namespace pgoutput
}  // namespace sluice::postgres
