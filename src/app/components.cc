#include "app/components.h"

#include "app/serve.h"
#include "cli/commands.h"
#include "connector/file/file_connector.h"
#include "connector/kafka/kafka_connector.h"
#include "connector/null/null_connector.h"
#include "connector/postgresql/postgresql_connector.h"
#include "connector/sqlite/sqlite_connector.h"
#include "format/avro/avro.h"
#include "format/avro/avro_payload.h"
#include "format/csv/csv.h"
#include "format/ipc/ipc.h"
#include "format/json/json_format.h"
#include "format/json/json_payload.h"
#include "format/orc/orc.h"
#include "format/parquet/parquet.h"
#include "format/protobuf/protobuf_payload.h"
#include "format/text/text.h"
#include "format/text/text_payload.h"
#include "store/local/local.h"
#include "store/s3/s3.h"

namespace sluice {

Registry all_components() {
  Registry registry;
  registry.add(local_store());
  registry.add(s3_store());

  registry.add(json_format());
  registry.add(csv_format());
  registry.add(tsv_format());
  registry.add(parquet_format());
  registry.add(avro_format());
  registry.add(orc_format());
  registry.add(arrow_format());
  registry.add(text_format());

  registry.add(json_payload());
  registry.add(avro_payload());
  registry.add(protobuf_payload());
  registry.add(text_payload());
  registry.add(raw_payload());

  registry.add(file_connector());
  registry.add(s3_connector());
  registry.add(kafka_connector());
  registry.add(null_connector());
  registry.add(postgresql_connector());
  registry.add(sqlite_connector());
  return registry;
}

std::vector<Command> all_commands() {
  return {
      run_command(),          check_command(),      explain_command(),    preview_command(),   cp_command(),
      schema_command(),       connectors_command(), status_command(),     reset_command(),     drop_command(),
      dead_letters_command(), serve_command(),      completion_command(), reference_command(),
  };
}

}  // namespace sluice
