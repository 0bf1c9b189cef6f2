#include "postgres/pgoutput.h"

#include <charconv>

#include "postgres/bytes.h"

namespace sluice::postgres {

std::string lsn_text(Lsn lsn) { return fmt::format("{:X}/{:X}", lsn >> 32, lsn & 0xffffffff); }

Result<Lsn> parse_lsn(std::string_view text) {
  const size_t slash = text.find('/');
  const auto part = [](std::string_view digits, uint32_t* value) {
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), *value, 16);
    return failed == std::errc() && end == digits.data() + digits.size();
  };
  uint32_t high = 0;
  uint32_t low = 0;
  if (slash == std::string_view::npos || !part(text.substr(0, slash), &high) || !part(text.substr(slash + 1), &low)) {
    return user_error("'{}' is no position in the write-ahead log; one looks like 16/B374D848", text);
  }
  return (static_cast<Lsn>(high) << 32) | low;
}

namespace pgoutput {
namespace {

// Takes what is asked for from the front; `short_` remembers that something was not there, so that each message is
// judged once, at its end.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  T number() {
    if (rest_.size() < sizeof(T)) return cut<T>();
    const T value = load_be<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  char letter() {
    if (rest_.empty()) return cut<char>();
    const char value = rest_[0];
    rest_.remove_prefix(1);
    return value;
  }
  std::string_view text() {
    const size_t end = rest_.find('\0');
    if (end == std::string_view::npos) return cut<std::string_view>();
    const auto value = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return value;
  }
  std::string_view bytes(size_t count) {
    if (rest_.size() < count) return cut<std::string_view>();
    const auto value = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return value;
  }
  // TupleData: walks over it, so that Tuple::next() need not look where it ends.
  Tuple tuple() {
    const auto columns = number<int16_t>();
    const std::string_view begin = rest_;
    if (columns < 0) {
      short_ = true;
      return {};
    }
    for (int i = 0; i < columns && !short_; ++i) {
      const char form = letter();
      if (form == 'n' || form == 'u') continue;
      if (form != 't' && form != 'b') {
        short_ = true;
        break;
      }
      const auto size = number<int32_t>();
      if (size < 0) {
        short_ = true;
        break;
      }
      bytes(static_cast<size_t>(size));
    }
    if (short_) return {};
    return {begin.substr(0, begin.size() - rest_.size()), columns};
  }
  [[nodiscard]] bool is_short() const { return short_; }

 private:
  template <typename T>
  T cut() {
    short_ = true;
    rest_ = {};
    return T{};
  }
  std::string_view rest_;
  bool short_ = false;
};

Relation relation(Cursor& in, uint32_t xid) {
  Relation out;
  out.xid = xid;
  out.oid = in.number<uint32_t>();
  out.schema = in.text();
  // An empty namespace is pg_catalog.
  if (out.schema.empty()) out.schema = "pg_catalog";
  out.name = in.text();
  out.identity = in.letter();
  const auto columns = in.number<int16_t>();
  for (int i = 0; i < columns && !in.is_short(); ++i) {
    RelationColumn column;
    column.in_key = (in.letter() & 1) != 0;
    column.name = in.text();
    column.type = in.number<uint32_t>();
    column.typmod = in.number<int32_t>();
    out.columns.push_back(std::move(column));
  }
  return out;
}

Result<Message> wrong_letter(char letter, std::string_view of) {
  return refused("the server sent {} of a kind '{}' that pgoutput's description does not know", of, letter);
}

Result<Message> insert(Cursor& in, uint32_t xid) {
  Insert out;
  out.xid = xid;
  out.relation = in.number<uint32_t>();
  const char kind = in.letter();
  if (kind != 'N' && !in.is_short()) return wrong_letter(kind, "a row");
  out.row = in.tuple();
  return Message(out);
}

Result<Message> update(Cursor& in, uint32_t xid) {
  Update out;
  out.xid = xid;
  out.relation = in.number<uint32_t>();
  char kind = in.letter();
  if (kind == 'K' || kind == 'O') {
    out.carries = static_cast<Old>(kind);
    out.old = in.tuple();
    kind = in.letter();
  }
  if (kind != 'N' && !in.is_short()) return wrong_letter(kind, "a row");
  out.row = in.tuple();
  return Message(out);
}

Result<Message> remove(Cursor& in, uint32_t xid) {
  Delete out;
  out.xid = xid;
  out.relation = in.number<uint32_t>();
  const char kind = in.letter();
  if (kind != 'K' && kind != 'O' && !in.is_short()) return wrong_letter(kind, "a row");
  out.carries = static_cast<Old>(kind);
  out.old = in.tuple();
  return Message(out);
}

Message truncate(Cursor& in, uint32_t xid) {
  Truncate out;
  out.xid = xid;
  const auto relations = in.number<int32_t>();
  const char options = in.letter();
  out.cascade = (options & 1) != 0;
  out.restart_identity = (options & 2) != 0;
  for (int32_t i = 0; i < relations && !in.is_short(); ++i) out.relations.push_back(in.number<uint32_t>());
  return out;
}

Message logical_message(Cursor& in, uint32_t xid) {
  LogicalMessage out;
  out.xid = xid;
  out.transactional = (in.letter() & 1) != 0;
  out.lsn = in.number<uint64_t>();
  out.prefix = in.text();
  const auto size = in.number<int32_t>();
  out.content = in.bytes(size < 0 ? SIZE_MAX : static_cast<size_t>(size));
  return out;
}

// What may stand alone or inside a streamed block, where it begins with a transaction's id.
Result<Message> change(char letter, Cursor& in, bool streamed) {
  const uint32_t xid = streamed ? in.number<uint32_t>() : 0;
  switch (letter) {
    case 'R':
      return Message(relation(in, xid));
    case 'Y':
      return Message(TypeName{xid, in.number<uint32_t>()});
    case 'I':
      return insert(in, xid);
    case 'U':
      return update(in, xid);
    case 'D':
      return remove(in, xid);
    case 'T':
      return truncate(in, xid);
    case 'M':
      return logical_message(in, xid);
    default:
      return wrong_letter(letter, "a message");
  }
}

Commit commit(Cursor& in) {
  Commit out;
  in.letter();  // flags: unused
  out.commit_lsn = in.number<uint64_t>();
  out.end_lsn = in.number<uint64_t>();
  out.commit_time = in.number<int64_t>();
  return out;
}

StreamCommit stream_commit(Cursor& in) {
  StreamCommit out;
  out.xid = in.number<uint32_t>();
  const Commit same = commit(in);
  out.commit_lsn = same.commit_lsn;
  out.end_lsn = same.end_lsn;
  out.commit_time = same.commit_time;
  return out;
}

Result<Message> parse_any(char letter, Cursor& in, bool streamed) {
  switch (letter) {
    case 'B': {
      Begin out;
      out.commit_lsn = in.number<uint64_t>();
      out.commit_time = in.number<int64_t>();
      out.xid = in.number<uint32_t>();
      return Message(out);
    }
    case 'C':
      return Message(commit(in));
    case 'O': {
      Origin out;
      out.commit_lsn = in.number<uint64_t>();
      out.name = in.text();
      return Message(out);
    }
    case 'S': {
      StreamStart out;
      out.xid = in.number<uint32_t>();
      out.first_segment = in.letter() == 1;
      return Message(out);
    }
    case 'E':
      return Message(StreamStop{});
    case 'c':
      return Message(stream_commit(in));
    case 'A': {
      StreamAbort out;
      out.xid = in.number<uint32_t>();
      out.subxid = in.number<uint32_t>();
      return Message(out);  // protocol 4 with streaming 'parallel' adds where and when: not asked for
    }
    default:
      return change(letter, in, streamed);
  }
}

}  // namespace

Value Tuple::next() {
  Value value;
  value.form = rest_[0];
  if (value.form == 'n' || value.form == 'u') {
    rest_.remove_prefix(1);
    return value;
  }
  const auto size = load_be<uint32_t>(rest_.data() + 1);
  value.bytes = rest_.substr(5, size);
  rest_.remove_prefix(5 + size);
  return value;
}

Result<Message> parse(std::string_view message, bool streamed) {
  Cursor in(message);
  const char letter = in.letter();
  if (in.is_short()) return refused("the server sent an empty change message");
  auto out = TRY(parse_any(letter, in, streamed));
  if (in.is_short()) return refused("a change message '{}' of {} bytes is cut short", letter, message.size());
  return out;
}

}  // namespace pgoutput
}  // namespace sluice::postgres
