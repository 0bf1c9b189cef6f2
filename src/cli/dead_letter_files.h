// The files that hold a pipeline's dead letters, read back. Their rows have the schema of flow/outlet.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "port/coordinator.h"
#include "port/plan.h"
#include "port/store.h"

namespace sluice {

struct DeadLetter {
  std::string pipeline;
  WallTime at;
  std::string reason;
  std::string position;
  std::string split;
  std::string payload;
  std::string stage;    // read | transform | write
  std::string message;  // its key, headers and time, as JSON, and what the payload was where that is no text
  std::string record;   // the payload as it was, byte for byte

  // The payload is the path of a file that was given up, and not a record: then, the byte (or row, for formats that are
  // not read from front to back) that was next.
  [[nodiscard]] std::optional<int64_t> given_up_at() const;
};

// Where the pipeline of that record puts them, as something to read. No location, or one with secrets in it, is an
// error.
Result<Endpoint> dead_letter_location(const Registry& registry, const PipelineRecord& record);

// Of that pipeline, or of a replay of it (NAME_replay, NAME_replay_2, …): several may share a folder.
bool is_of(const DeadLetter& row, const std::string& pipeline);

// In the order of their names. None when the folder does not exist yet.
Result<std::vector<ObjectInfo>> dead_letter_files(Context& context, const Endpoint& location);
// All rows or an error: a row of it that cannot be read is one, too.
Result<std::vector<DeadLetter>> read_dead_letters(Context& context, const Endpoint& location, const ObjectInfo& file);
// That file cannot be read as what it should be, and others may: not a line that is down, or a wish to stop.
bool is_the_files_fault(const Error& error);
// Nothing when it is gone already.
Result<void> remove_dead_letters(Context& context, const Endpoint& location, const ObjectInfo& file);

// `endpoint` with one object of its store as its path.
Endpoint narrowed_to(Endpoint endpoint, const std::string& object_path);
// 'id BIGINT, …': what the option `columns` takes.
std::string columns_text(const arrow::Schema& schema);

}  // namespace sluice
