// Schema resolution ("Schema Resolution" in the specification), once per pair of schemas. Inside src/avro only.
#pragma once

#include "avro/read_node.h"

namespace sluice::avro {

class Compiler {
 public:
  // A value of the writer's type `from` into the column of the reader's type `to`.
  static Result<ReadNode> compile(const Type& from, const Type& to, Column& out, const std::string& path);
  // A record; columns by name, those of the reader's that nobody wants are null.
  static Result<ReadNode> compile_record(const Type& from, const Type& to, const std::vector<Column*>& columns,
                                         const std::string& path);
  static ReadNode skip(const Type& from);

 private:
  static Result<ReadNode> compile_from_either(const Type& from, const Type& to, Column& out, const std::string& path);
  static Result<ReadNode> compile_to_either(const Type& from, const Type& to, Column& out, const std::string& path);
  static Result<ReadNode> compile_plain(const Type& from, const Type& to, Column& out, const std::string& path);
  static Result<ReadNode> compile_number(const Type& from, const Type& to, Column& out, const std::string& path);
  static Result<ReadNode> compile_bytes(const Type& from, const Type& to, Column& out, const std::string& path);
  static Result<ReadNode> compile_enumeration(const Type& from, const Type& to, Column& out, const std::string& path);
  static Result<ReadNode> compile_blocks(const Type& from, const Type& to, Column& out, const std::string& path);
  static Result<ReadNode> compile_default(const Field& field, Column& out, const std::string& path);
};

}  // namespace sluice::avro
