// Where a change stream stands, and what of its snapshot has been delivered: the tokens of its splits.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "port/position.h"
#include "postgres/pgoutput.h"

namespace sluice::postgresql {

using postgres::Lsn;

// The split of the stream itself. Those of the snapshot are named after their tables.
inline constexpr std::string_view kStreamSplit = "stream";

// A place among the changes: every transaction whose commit record begins before `lsn` is behind it, and of the one
// that begins there the first `ordinal` changes. Only commit LSNs are ordered over the whole stream.
struct ChangePlace {
  Lsn lsn = 0;
  uint64_t ordinal = 0;
  auto operator<=>(const ChangePlace&) const = default;
};

// What has to be as it was for a position to mean anything.
struct StreamIdentity {
  std::string system;  // pg_control_system's identifier
  int64_t timeline = 0;
  std::string publication;  // a digest of its definition
  bool operator==(const StreamIdentity&) const = default;
};

struct StreamPosition {
  ChangePlace place;
  // Tables that are further: several tables' batches leave one after another, and an epoch may end between them.
  std::map<std::string, ChangePlace> ahead;
  // Tables that a TRUNCATE emptied here after parts of their snapshot were read behind it: from then on no change of
  // theirs is held to be in the snapshot.
  std::vector<std::string> emptied;
  // Columns that tables had once: an added column beside them is no rename.
  std::map<std::string, std::vector<std::string>> dropped;
  int64_t time_us = 0;  // by the server's clock: everything that committed before it is behind `place`; 0: not known
  bool no_snapshot = false;  // it began with the changes: there never were pieces of a snapshot
  StreamIdentity identity;

  [[nodiscard]] Position token() const;
  // {"lsn":"16/B374D848","ordinal":3,…}; a bare LSN is a position, too (`reset --to`).
  static Result<StreamPosition> parse(const Position& position);
};

// The values of a key that is ordered here as the server orders it: integers, dates and timestamps as numbers, uuids as
// text.
using KeyValue = std::variant<int64_t, std::string>;
using Key = std::vector<KeyValue>;

// The rows of one table whose key is at least `from` (none: from the first) and less than `to` (none: to the last), or
// at most `to` where it is inclusive.
struct KeyRange {
  std::optional<Key> from;
  bool from_exclusive = false;
  std::optional<Key> to;
  bool to_inclusive = false;

  [[nodiscard]] bool contains(const Key& key) const;
};

// "[1..500)", "(500..]": as split ids and people see it.
std::string text_of(const KeyRange& range);

// What a delivered piece of a snapshot leaves behind.
struct ChunkPosition {
  std::string table;  // TableName::plain()
  KeyRange range;     // delivered
  // pg_current_snapshot() of the reading transaction: 'xmin:xmax:xip,…'. Empty: the slot's own snapshot, which holds
  // nothing that is streamed.
  std::string snapshot;
  Lsn log_end = 0;  // when that was taken: all it saw lies before; 0: the slot's own, taken where the stream begins
  bool partial = false;  // of a table that can only be read whole: a part of it is delivered

  [[nodiscard]] Position token() const;
  static Result<ChunkPosition> parse(const SplitId& split, const Position& position);
};

// pg_snapshot: which transactions a reader saw.
class XidSnapshot {
 public:
  static Result<XidSnapshot> parse(const std::string& text);
  // `xid` is the 32 bits that the stream has, of a transaction within two thousand million of the snapshot, as all that
  // live at one time are.
  [[nodiscard]] bool sees(uint32_t xid) const;

 private:
  uint64_t xmin_ = 0;
  uint64_t xmax_ = 0;
  std::vector<uint64_t> running_;  // ascending
};

}  // namespace sluice::postgresql
