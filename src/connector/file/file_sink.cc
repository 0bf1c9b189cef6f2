#include "connector/file/file_sink.h"

#include <algorithm>

#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <nlohmann/json.hpp>

#include "batch/change.h"
#include "connector/file/file_committer.h"
#include "connector/file/file_writer.h"
#include "connector/file/partitioned_writer.h"
#include "connector/file/tables_writer.h"

namespace sluice::file {
namespace {

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

bool has_extension(std::string_view path) {
  auto name = path.substr(path.rfind('/') + 1);
  auto dot = name.rfind('.');
  return dot != std::string_view::npos && dot > 0;
}

// A name with an extension means a file, unless a folder of that name is there.
Result<bool> is_exact(const Registry& registry, const Endpoint& endpoint) {
  if (endpoint.folder || !has_extension(endpoint.path)) return false;
  if (names_tables(endpoint.path)) return true;
  Metrics metrics;
  Budget memory(64 << 20);
  Context context{{}, system_clock(), {}, metrics, memory, registry, {}};
  auto there = endpoint.store->list(context, endpoint.path, false, {});
  if (!there.ok()) return true;  // nothing there, or an error that writing will meet again
  return there->size() == 1 && there.value()[0].path == endpoint.path;
}

Result<Rotation> read_rotation(const OptionValues& options) {
  Rotation rotation;
  if (options.has("rotate_rows")) rotation.rows = options.integer("rotate_rows");
  if (options.has("rotate_bytes")) rotation.bytes = options.bytes("rotate_bytes");
  if (options.has("rotate_age")) rotation.age = options.duration("rotate_age");
  if (options.has("rotate_idle")) rotation.idle = options.duration("rotate_idle");
  return rotation;
}

Result<void> refuse_folder_options(const Target& target) {
  for (const char* name : {"partition_by", "rotate_rows", "rotate_bytes", "rotate_age", "rotate_idle"}) {
    if (!target.endpoint->options.is_given(name)) continue;
    return user_error("{}: '{}' needs a folder to write into, and {} is a file name; end it with '/'",
                      target.endpoint->options.where(name), name, target.path);
  }
  return {};
}

// An exact name > partition_by > key_strategy.
Result<Layout> choose_layout(const Target& target) {
  const auto& options = target.endpoint->options;
  Layout layout;
  if (target.exact || !target.partition_by.empty()) return layout;
  if (options.has("key_strategy")) layout.strategy = parse_key_strategy(options.text("key_strategy"));
  if (!options.has("time_column")) return layout;
  if (layout.strategy == KeyStrategy::none) {
    return user_error(
        "{}: time_column says where a key_strategy takes dates from; give one, HivePartitioned for example",
        options.where("time_column"));
  }
  layout.time_column = options.text("time_column");
  return layout;
}

// What stands where we want to write: files of ours or of others.
Result<std::vector<std::string>> existing(Context& context, const Target& target) {
  std::vector<std::string> paths;
  // Of a folder by its name with a slash: in a bucket an object of the bare name is another thing.
  auto found = target.endpoint->store->list(context, target.path + (target.exact ? "" : "/"), true, {});
  if (!found.ok()) {
    if (found.error().fault == Fault::user) return paths;  // nothing there
    return std::move(found).error();
  }
  for (auto& object : found.value()) paths.push_back(std::move(object.path));
  return paths;
}

}  // namespace

Result<std::unique_ptr<Sink>> FileSink::create(const Registry& registry, const ConnectorRequest& request) {
  Target target;
  target.endpoint = std::make_shared<const Endpoint>(TRY(resolve(registry, request, OptionScope::sink)));
  const auto& endpoint = *target.endpoint;
  const auto& options = endpoint.options;
  if (endpoint.path.find_first_of("*?[") != std::string::npos) {
    return user_error("{}: cannot write to the pattern {}; name a file, or a folder that ends with '/'", request.where,
                      endpoint.path);
  }
  target.exact = TRY(is_exact(registry, endpoint));
  target.path = without_trailing_slashes(endpoint.path);
  auto prefix = options.has("prefix") ? options.text("prefix") : std::string();
  while (prefix.starts_with('/')) prefix.erase(0, 1);
  if (!prefix.empty()) {
    if (target.exact) {
      return user_error("{}: 'prefix' is a path below a folder, and {} is a file name", options.where("prefix"),
                        target.path);
    }
    target.path = without_trailing_slashes(target.path + "/" + prefix);
  }
  if (options.has("collection")) target.collection = options.text("collection");
  // A name for what is written together: the pipeline's, unless each table has a place of its own.
  bool named = !request.one_off && !request.pipeline.empty() && !names_tables(target.path);
  if (target.collection.empty() && named) target.collection = request.pipeline;
  target.codec = endpoint.codec.value_or(target.exact ? codec_of_extension(target.path) : Codec::none);
  target.extension = fmt::format("{}{}", endpoint.format_descriptor->extensions.front(), extension_of(target.codec));
  target.rotation = TRY(read_rotation(options));
  target.max_open_files = static_cast<size_t>(options.integer("max_open_files"));
  if (options.has("partition_by")) target.partition_by = options.list("partition_by");
  if (target.exact) TRY(refuse_folder_options(target));
  target.layout = TRY(choose_layout(target));
  if (target.exact && options.has("if_exists")) {
    if (options.text("if_exists") == "append") {
      return user_error(
          "{}: {} is one file and cannot be appended to; end the location with '/' to add files to a folder",
          options.where("if_exists"), target.path);
    }
    if (options.text("if_exists") == "replace") target.if_exists = IfExists::replace;
  }
  target.replaces = !target.exact && options.has("if_exists") && options.text("if_exists") == "replace";
  auto targets = TRY(Targets::create(std::move(target)));  // not inside new: a TRY that returns there leaks
  return std::unique_ptr<Sink>(new FileSink(std::move(targets)));
}

SinkTraits FileSink::traits() const {
  SinkTraits traits;
  traits.decision = Decision::journal;
  traits.single_writer = common_.exact;
  traits.many_tables = targets_->several();
  // A process that joins could take for old what another one has just delivered.
  traits.several_processes = !common_.exact && !common_.replaces;
  return traits;
}

Result<void> FileSink::validate_schema(Context&, const arrow::Schema& schema) {
  for (const auto& name : common_.partition_by) {
    auto field = schema.GetFieldByName(name);
    if (field == nullptr) {
      std::vector<std::string_view> names;
      for (const auto& other : schema.fields()) names.push_back(other->name());
      auto near = nearest(name, names);
      return user_error("{}: partition_by names '{}', and there is no such column{}",
                        common_.endpoint->options.where("partition_by"), name,
                        near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near));
    }
    if (arrow::is_nested(field->type()->id())) {
      return user_error("{}: cannot partition by '{}': it is a {}, and a folder's name holds a single value",
                        common_.endpoint->options.where("partition_by"), name, type_name(*field->type()));
    }
  }
  if (!common_.layout.time_column.empty()) {
    auto found = TimeColumn::find(schema, common_.layout.time_column);
    if (!found.ok()) return user_error("{}: {}", common_.endpoint->options.where("time_column"), found.error().what);
  }
  if (!common_.partition_by.empty() && static_cast<size_t>(schema.num_fields()) == common_.partition_by.size()) {
    return user_error("partition_by names every column, and nothing would be left to write into the files");
  }
  arrow::FieldVector written;
  for (const auto& field : schema.fields()) {
    if (std::find(common_.partition_by.begin(), common_.partition_by.end(), field->name()) ==
        common_.partition_by.end()) {
      written.push_back(field);
    }
  }
  return common_.endpoint->format->validate_schema(*arrow::schema(std::move(written)));
}

Result<void> FileSink::probe(Context& context) {
  const std::string& root = targets_->root();
  auto& store = *common_.endpoint->store;
  if (!common_.exact || targets_->several()) {
    TRY(store.probe(context, root));
    const auto& options = common_.endpoint->options;
    // Removing needs a permission of its own; of a name that is not there it removes nothing.
    if (!options.has("if_exists") || options.text("if_exists") != "replace") return {};
    return store.remove(context, root + (root.ends_with('/') ? "" : "/") + ".sluice-probe");
  }
  auto slash = root.rfind('/');
  return store.probe(context, slash == 0 ? "/" : root.substr(0, slash));
}

Result<void> FileSink::open(Context& context, const arrow::Schema& schema, bool resumed) {
  if (resumed) resumed_ = true;
  if (targets_->several()) return {};  // each is opened with its first rows
  std::lock_guard lock(mutex_);
  return open_target(context, common_, schema, resumed);
}

Result<void> FileSink::open_table(Context& context, const TableId& table, const arrow::Schema& schema, bool resumed) {
  if (resumed) resumed_ = true;
  auto* target = TRY(targets_->of(table));
  std::lock_guard lock(mutex_);
  return open_target(context, *target, schema, resumed_);
}

Result<void> FileSink::open_target(Context& context, Target& target, const arrow::Schema& schema, bool resumed) {
  if (std::exchange(target.opened, true)) return {};
  target.schema = arrow::schema(schema.fields());
  target.resumed = resumed;
  const auto& options = target.endpoint->options;
  bool given = options.has("if_exists") && options.is_given("if_exists");
  if (resumed || (!target.endpoint->one_off && !given)) return {};
  std::string policy = given ? options.text("if_exists") : "error";
  if (policy == "append" || (target.exact && policy == "replace")) return {};
  auto paths = TRY(existing(context, target));
  if (paths.empty()) return {};
  if (policy == "error") {
    if (target.exact) {
      return refused("{} exists already; say if_exists := 'replace' to replace it", target.path);
    }
    return refused(
        "the folder {} is not empty ({} file{}); say if_exists := 'append' to write beside them, or 'replace'",
        target.path, paths.size(), paths.size() == 1 ? "" : "s");
  }
  target.replaced->add(std::move(paths));
  return {};
}

Result<void> FileSink::evolve(Context& context, const SchemaChange& change) {
  // Every file carries its own schema; the writers begin new ones when the batches change.
  TRY(validate_schema(context, *change.after));
  if (common_.exact)
    return refused("{} has one schema, and '{}' changed; write a folder instead", common_.path, change.table.name);
  auto* target = TRY(targets_->of(change.table));
  std::lock_guard lock(mutex_);
  target->schema = change.after;
  return {};
}

Result<std::unique_ptr<Writer>> FileSink::create_writer(Context& context, const WriterId& id) {
  if (!targets_->several()) return create_writer(context, common_, id);
  // What is not opened yet is a table that was not there, or not known, at the start.
  auto make = [this, id](Context& inner, const TableId& table,
                         const arrow::Schema& schema) -> Result<std::unique_ptr<Writer>> {
    TRY(open_table(inner, table, schema, resumed_));
    return create_writer(inner, *TRY(targets_->of(table)), id);
  };
  auto discard = [this](Context& inner, std::span<const Prepared> prepared) {
    return FileCommitter(*common_.endpoint, targets_->root(), *common_.replaced).discard(inner, prepared);
  };
  return std::unique_ptr<Writer>(std::make_unique<TablesWriter>(std::move(make), std::move(discard)));
}

Result<std::unique_ptr<Writer>> FileSink::create_writer(Context& context, Target& target, const WriterId& id) const {
  if (target.partition_by.empty() && !target.layout.dated_by_record()) {
    return std::unique_ptr<Writer>(std::make_unique<FileWriter>(context, target, id));
  }
  return PartitionedWriter::create(context, target, id);
}

Result<std::unique_ptr<Committer>> FileSink::create_committer(Context&) {
  return std::unique_ptr<Committer>(
      std::make_unique<FileCommitter>(*common_.endpoint, targets_->root(), *common_.replaced));
}

Result<void> FileSink::drop(Context& context) {
  // Unfinished uploads of all generations; delivered files stay.
  const std::string& pipeline = common_.endpoint->pipeline;
  return common_.endpoint->store->sweep(context, targets_->root(), [&](const std::string& owner) {
    auto slash = owner.rfind('/');
    return slash != std::string::npos && owner.substr(0, slash) == pipeline;
  });
}

}  // namespace sluice::file
