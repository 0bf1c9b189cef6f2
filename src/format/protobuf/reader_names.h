// What a writer's message is read with where rows are to have fields that the reader's message has dropped.
#pragma once

#include <arrow/type_fwd.h>

#include "format/protobuf/schema.h"

namespace sluice::protobuf {

// A message, and what keeps it.
struct OwnedMessage {
  SchemaRef schema;
  const Message* message = nullptr;
};

// `reader` and the fields of `written` whose numbers it lacks, also inside of messages. Of these only what `wanted`
// names; null: all. Names and defaults are the reader's, known by the numbers; so are types, unless their bytes differ.
// A field that was dropped and came again under another number is the one that was written.
//   written  id = 1, who = 2, note = 3      reader  id = 1, buyer = 2, vip = 4      id, buyer, vip, note
OwnedMessage with_dropped_fields(const OwnedMessage& reader, const OwnedMessage& written,
                                 const arrow::FieldVector* wanted);

}  // namespace sluice::protobuf
