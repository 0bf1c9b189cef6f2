#include "format/protobuf/schema.h"

#include <algorithm>
#include <array>
#include <bit>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include <arrow/util/base64.h>
#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/descriptor_database.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>

#include "format/protobuf/known_protos.h"

namespace sluice::protobuf {
namespace {

namespace pb = google::protobuf;

constexpr std::string_view kDescriptorProto = "google/protobuf/descriptor.proto";
constexpr int kParentsMax = 16;

std::optional<std::string> content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in.good()) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// Files by the names that imports say.
class Files : public pb::compiler::SourceTree {
 public:
  Files(const ProtoText& file, const std::vector<ProtoText>& imports, std::filesystem::path folder)
      : folder_(std::move(folder)) {
    texts_[file.name] = file.text;
    for (const auto& import : imports) texts_.emplace(import.name, import.text);
    main_ = file.name;
  }

  pb::io::ZeroCopyInputStream* Open(const std::string& name) override {
    auto found = texts_.find(name);
    if (found == texts_.end()) {
      auto text = find(name);
      if (!text) return nullptr;
      found = texts_.emplace(name, std::move(*text)).first;
    }
    // The importer owns the stream; the text stays where it is.
    return new pb::io::ArrayInputStream(found->second.data(), static_cast<int>(found->second.size()));
  }
  std::string GetLastErrorMessage() override { return "the file is not there"; }
  // Null for a file that was not found: what a weak import names need not be there.
  [[nodiscard]] const std::string* text(const std::string& name) const {
    const auto found = texts_.find(name);
    return found == texts_.end() ? nullptr : &found->second;
  }

 private:
  [[nodiscard]] std::optional<std::string> find(const std::string& name) const {
    if (auto known = known_proto(name)) return std::string(*known);
    if (name == kDescriptorProto) return pb::FileDescriptorProto::descriptor()->file()->DebugString();
    // Imports are named from the root of a project, in which the file itself may lie some folders deep.
    auto folder = folder_;
    for (int i = 0; i < kParentsMax && !folder.empty(); ++i) {
      if (auto text = content_of(folder / name)) return text;
      if (!folder.has_parent_path() || folder.parent_path() == folder) break;
      folder = folder.parent_path();
    }
    return std::nullopt;
  }

  std::map<std::string, std::string> texts_;
  std::filesystem::path folder_;
  std::string main_;
};

class FirstProblem : public pb::compiler::MultiFileErrorCollector {
 public:
  void AddError(const std::string& file, int line, int column, const std::string& message) override {
    if (!text_.empty()) return;
    text_ = line < 0 ? fmt::format("{}: {}", file, message)
                     : fmt::format("{}:{}:{}: {}", file, line + 1, column + 1, message);
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

Kind kind_of(const pb::FieldDescriptor& field) {
  switch (field.type()) {
    case pb::FieldDescriptor::TYPE_DOUBLE:
      return Kind::float64;
    case pb::FieldDescriptor::TYPE_FLOAT:
      return Kind::float32;
    case pb::FieldDescriptor::TYPE_INT64:
      return Kind::int64;
    case pb::FieldDescriptor::TYPE_UINT64:
      return Kind::uint64;
    case pb::FieldDescriptor::TYPE_INT32:
      return Kind::int32;
    case pb::FieldDescriptor::TYPE_FIXED64:
      return Kind::fixed64;
    case pb::FieldDescriptor::TYPE_FIXED32:
      return Kind::fixed32;
    case pb::FieldDescriptor::TYPE_BOOL:
      return Kind::boolean;
    case pb::FieldDescriptor::TYPE_STRING:
      return Kind::string;
    case pb::FieldDescriptor::TYPE_GROUP:
      return Kind::group;
    case pb::FieldDescriptor::TYPE_MESSAGE:
      return Kind::message;
    case pb::FieldDescriptor::TYPE_BYTES:
      return Kind::bytes;
    case pb::FieldDescriptor::TYPE_UINT32:
      return Kind::uint32;
    case pb::FieldDescriptor::TYPE_ENUM:
      return Kind::enumeration;
    case pb::FieldDescriptor::TYPE_SFIXED32:
      return Kind::sfixed32;
    case pb::FieldDescriptor::TYPE_SFIXED64:
      return Kind::sfixed64;
    case pb::FieldDescriptor::TYPE_SINT32:
      return Kind::sint32;
    case pb::FieldDescriptor::TYPE_SINT64:
      return Kind::sint64;
  }
  return Kind::bytes;
}

uint64_t default_bits_of(const pb::FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return static_cast<uint32_t>(field.default_value_int32());
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return static_cast<uint64_t>(field.default_value_int64());
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return field.default_value_uint32();
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return field.default_value_uint64();
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return std::bit_cast<uint64_t>(field.default_value_double());
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
      return std::bit_cast<uint32_t>(field.default_value_float());
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return field.default_value_bool() ? 1 : 0;
    case pb::FieldDescriptor::CPPTYPE_ENUM:
      return static_cast<uint32_t>(field.default_value_enum()->number());
    default:
      return 0;
  }
}

WellKnown known_of(const std::string& name) {
  constexpr std::string_view kPackage = "google.protobuf.";
  if (!name.starts_with(kPackage)) return WellKnown::none;
  const std::string_view own = std::string_view(name).substr(kPackage.size());
  if (own == "Timestamp") return WellKnown::timestamp;
  if (own == "Duration") return WellKnown::duration;
  if (own == "Struct" || own == "Value" || own == "ListValue") return WellKnown::json;
  for (std::string_view wrapper :
       {"Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"}) {
    if (own.starts_with(wrapper) && own.substr(wrapper.size()) == "Value") return WellKnown::wrapper;
  }
  return WellKnown::none;
}

}  // namespace

// From libprotobuf's descriptors to ours.
class SchemaBuilder {
 public:
  static Result<SchemaRef> build(const ProtoText& file, const std::vector<ProtoText>& imports,
                                 const std::filesystem::path& folder) {
    Files files(file, imports, folder);
    FirstProblem problem;
    const pb::LogSilencer silence;  // its warnings go to stderr
    // Texts are parsed when they are asked for; what came as a finished descriptor stands beside them.
    pb::compiler::SourceTreeDescriptorDatabase texts(&files);
    texts.RecordErrorsTo(&problem);
    pb::SimpleDescriptorDatabase finished;
    add_finished(file, finished);
    for (const auto& import : imports) add_finished(import, finished);
    pb::MergedDescriptorDatabase all(&finished, &texts);
    pb::DescriptorPool pool(&all, texts.GetValidationErrorCollector());
    const auto* descriptor = pool.FindFileByName(file.name);
    if (descriptor == nullptr) {
      return user_error("{}", problem.text().empty() ? file.name + ": it cannot be read" : problem.text());
    }
    std::shared_ptr<Schema> schema(new Schema());
    schema->name_ = file.name;
    schema->text_ = file.text;
    SchemaBuilder builder(*schema);
    for (int i = 0; i < descriptor->message_type_count(); ++i) {
      builder.add_own(*descriptor->message_type(i), {i});
    }
    builder.add_imports(*descriptor, files);
    return SchemaRef(std::move(schema));
  }

 private:
  explicit SchemaBuilder(Schema& schema) : schema_(schema) {}

  // Some clients (Confluent's for Python) register no text but a serialized FileDescriptorProto, in base64.
  static void add_finished(const ProtoText& file, pb::SimpleDescriptorDatabase& finished) {
    const bool text = file.text.empty() || file.text.find_first_of(" ;{\"") != std::string::npos;
    if (text) return;
    pb::FileDescriptorProto proto;
    auto bytes = arrow::util::base64_decode(file.text);
    if (!bytes.ok() || !proto.ParseFromString(*bytes)) return;
    proto.set_name(file.name);
    finished.Add(proto);
  }

  void add_own(const pb::Descriptor& descriptor, std::vector<int32_t> path) {
    if (descriptor.options().map_entry()) return;
    schema_.own_.push_back({message(descriptor), path});
    for (int i = 0; i < descriptor.nested_type_count(); ++i) {
      auto below = path;
      below.push_back(i);
      add_own(*descriptor.nested_type(i), std::move(below));
    }
  }

  void add_imports(const pb::FileDescriptor& file, const Files& files) {
    for (int i = 0; i < file.dependency_count(); ++i) {
      const auto& import = *file.dependency(i);
      const auto& all = schema_.imports_;
      const bool there =
          std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.name == import.name(); });
      if (there || known_proto(import.name()) || import.name() == kDescriptorProto) continue;
      const auto* text = files.text(import.name());
      if (text == nullptr) continue;
      add_imports(import, files);
      schema_.imports_.push_back({import.name(), *text});
    }
  }

  const Message* message(const pb::Descriptor& descriptor) {
    auto found = messages_.find(&descriptor);
    if (found != messages_.end()) return found->second;
    schema_.messages_.push_back(std::make_unique<Message>());
    Message& made = *schema_.messages_.back();
    messages_[&descriptor] = &made;
    made.name = descriptor.full_name();
    made.known = known_of(made.name);
    for (int i = 0; i < descriptor.field_count(); ++i) made.fields.push_back(field(*descriptor.field(i)));
    for (int i = 0; i < descriptor.reserved_range_count(); ++i) {
      made.reserved.emplace_back(descriptor.reserved_range(i)->start, descriptor.reserved_range(i)->end - 1);
    }
    return &made;
  }

  Field field(const pb::FieldDescriptor& descriptor) {
    Field made;
    made.name = descriptor.name();
    made.number = descriptor.number();
    made.kind = kind_of(descriptor);
    made.repeated = descriptor.is_repeated();
    made.packed = descriptor.is_packed();
    made.required = descriptor.is_required();
    made.map = descriptor.is_map();
    made.presence = !made.repeated && !made.required && descriptor.has_presence() && !descriptor.has_default_value();
    if (const auto* oneof = descriptor.real_containing_oneof()) made.oneof = oneof->index();
    if (!made.repeated) made.default_bits = default_bits_of(descriptor);
    if (descriptor.cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING && descriptor.has_default_value()) {
      made.default_text = descriptor.default_value_string();
    }
    if (descriptor.message_type() != nullptr) made.message = message(*descriptor.message_type());
    if (descriptor.enum_type() != nullptr) made.enumeration = enumeration(*descriptor.enum_type());
    return made;
  }

  const Enumeration* enumeration(const pb::EnumDescriptor& descriptor) {
    auto& made = enumerations_[&descriptor];
    if (made != nullptr) return made;
    schema_.enumerations_.push_back(std::make_unique<Enumeration>());
    made = schema_.enumerations_.back().get();
    made->name = descriptor.full_name();
    for (int i = 0; i < descriptor.value_count(); ++i) {
      made->names.emplace(descriptor.value(i)->number(), descriptor.value(i)->name());
    }
    return made;
  }

  Schema& schema_;
  std::map<const pb::Descriptor*, const Message*> messages_;
  std::map<const pb::EnumDescriptor*, Enumeration*> enumerations_;
};

Schema::Schema() = default;
Schema::~Schema() = default;

WireType wire_type(Kind kind) {
  switch (kind) {
    case Kind::fixed32:
    case Kind::sfixed32:
    case Kind::float32:
      return WireType::fixed32;
    case Kind::fixed64:
    case Kind::sfixed64:
    case Kind::float64:
      return WireType::fixed64;
    case Kind::string:
    case Kind::bytes:
    case Kind::message:
      return WireType::length;
    case Kind::group:
      return WireType::group_begin;
    default:
      return WireType::varint;
  }
}

std::string_view to_string(Kind kind) {
  static constexpr std::array<std::string_view, 18> kNames = {
      "int32",    "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32",
      "sfixed64", "float", "double", "bool",   "string", "bytes",  "enum",    "message", "group"};
  return kNames[static_cast<size_t>(kind)];
}

const Field* Message::field(int32_t number) const {
  auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& one) { return one.number == number; });
  return found == fields.end() ? nullptr : &*found;
}

const Field* Message::field(std::string_view wanted) const {
  auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& one) { return one.name == wanted; });
  return found == fields.end() ? nullptr : &*found;
}

Result<SchemaRef> Schema::parse(const ProtoText& file, const std::vector<ProtoText>& imports) {
  return SchemaBuilder::build(file, imports, {});
}

Result<SchemaRef> Schema::read_file(const std::string& path) {
  const std::filesystem::path place(path);
  auto text = content_of(place);
  if (!text) return user_error("the schema file '{}' cannot be read", path);
  std::error_code ignored;
  auto folder = std::filesystem::absolute(place, ignored).parent_path();
  return SchemaBuilder::build({place.filename().string(), std::move(*text)}, {}, folder);
}

Result<const Message*> Schema::message(std::string_view name) const {
  std::vector<const Message*> found;
  std::vector<std::string> names;
  for (const auto& [message, path] : own_) {
    const std::string& full = message->name;
    const std::string last = full.substr(full.rfind('.') + 1);
    if (name.empty() ? path.size() == 1 : full == name || last == name) found.push_back(message);
    names.push_back(full);
  }
  if (found.size() == 1) return found[0];
  for (const auto* one : found) {
    if (one->name == name) return one;
  }
  if (names.empty()) return user_error("{} has no messages", name_);
  if (name.empty())
    return user_error("{} has several messages; name one with message: {}", name_, fmt::join(names, ", "));
  return user_error("{} has no message '{}' but {}", name_, name, fmt::join(names, ", "));
}

const Message* Schema::message_at(const std::vector<int32_t>& path) const {
  for (const auto& entry : own_) {
    if (entry.path == path) return entry.message;
  }
  return nullptr;
}

std::vector<int32_t> Schema::path_of(const Message& message) const {
  for (const auto& entry : own_) {
    if (entry.message == &message) return entry.path;
  }
  return {};
}

}  // namespace sluice::protobuf
