#include "net/schema_registry.h"

#include <gtest/gtest.h>

#include "net/test_expect.h"
#include "net/test_server.h"

namespace sluice::net {
namespace {

ServerReply not_found(int code) { return {404, fmt::format(R"({{"error_code":{},"message":"not here"}})", code), {}}; }

class SchemaRegistryTest : public testing::Test {
 protected:
  // The registry under /prefix/ of `server`.
  static std::shared_ptr<SchemaRegistry> registry(const TestServer& server) {
    return value_of(SchemaRegistry::create(SchemaRegistryOptions{{server.url("/prefix/")}, "", {}, {}, ""}));
  }
  std::stop_token stop_;
};

TEST_F(SchemaRegistryTest, TheFrameIsAZeroAndFourBytes) {
  std::string out;
  append_frame(0x01020304, out);
  EXPECT_EQ(out, std::string("\0\1\2\3\4", 5));
  const std::string bytes = out + "body";
  auto framed = unframe(bytes);
  ASSERT_TRUE(framed.has_value());
  EXPECT_EQ(framed->schema_id, 0x01020304);
  EXPECT_EQ(framed->body, "body");
  EXPECT_FALSE(unframe(std::string("\0\0\0\1", 4)).has_value());
  EXPECT_FALSE(unframe("\1abcdef").has_value());
  EXPECT_EQ(subject_of("orders", false), "orders-value");
  EXPECT_EQ(subject_of("orders", true), "orders-key");
}

TEST_F(SchemaRegistryTest, AnIdIsAskedForOnce) {
  TestServer server([](const SeenRequest& request) {
    if (request.target == "/prefix/schemas/ids/7") {
      return ServerReply{200, R"({"schema":"{}","schemaType":"JSON","references":[]})", {}};
    }
    return not_found(request.target.starts_with("/prefix/subjects") ? 40401 : 40403);
  });
  auto registry = this->registry(server);
  for (int i = 0; i < 3; ++i) {
    auto schema = value_of(registry->find(7, stop_));
    EXPECT_EQ(schema->text, "{}");
    EXPECT_EQ(schema->kind, SchemaKind::json);
    EXPECT_EQ(schema->id, 7);
  }
  EXPECT_EQ(server.seen().size(), 1U);
  EXPECT_EQ(value_of(registry->find(8, stop_)), nullptr);
  EXPECT_EQ(registry->unknown_id(8, "orders-value"),
            "the schema registry " + server.url("/prefix") + " has no schema with the id 8 (subject orders-value)");
  EXPECT_EQ(value_of(registry->latest("none-value", stop_)), nullptr);
}

TEST_F(SchemaRegistryTest, ReferencesAreFoundThroughReferences) {
  TestServer server([](const SeenRequest& request) {
    auto schema = [](const std::string& text, const std::string& references) {
      return ServerReply{200, fmt::format(R"({{"id":1,"schema":"{}","references":[{}]}})", text, references), {}};
    };
    const std::string money = R"({"name":"Money","subject":"a/b money","version":2})";
    if (request.target.starts_with("/prefix/subjects/order/versions/3")) return schema("order", money);
    if (request.target.starts_with("/prefix/subjects/a%2Fb%20money/versions/2")) return schema("money", "");
    if (request.target == "/prefix/schemas/ids/1") {
      return schema("root", R"({"name":"Order","subject":"order","version":3},)" + money);
    }
    return not_found(40402);
  });
  auto registry = this->registry(server);
  auto root = value_of(registry->find(1, stop_));
  auto all = value_of(registry->references_of(*root, stop_));
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].text, "money");
  EXPECT_EQ(all[1].name, "Order");
  RegisteredSchema missing;
  missing.references = {{"Gone", "gone", 1}};
  expect_error(registry->references_of(missing, stop_), Fault::user,
               "lacks version 1 of gone, which a schema refers to as 'Gone'");
}

TEST_F(SchemaRegistryTest, ASchemaIsRegisteredWithItsReferencesAndCompatibility) {
  TestServer server([](const SeenRequest& request) {
    if (request.method == "PUT") return ServerReply{200, R"({"compatibility":"FULL"})", {}};
    return ServerReply{200, R"({"id":42})", {}};
  });
  auto registry = this->registry(server);
  RegisteredSchema schema{0, SchemaKind::protobuf, "syntax = \"proto3\";", {{"m.proto", "m", 1}}};
  EXPECT_EQ(value_of(publish_schema(*registry, {"FULL", true}, "orders-value", schema, stop_)), 42);
  auto seen = server.seen();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].target, "/prefix/config/orders-value");
  EXPECT_EQ(seen[0].body, R"({"compatibility":"FULL"})");
  EXPECT_EQ(seen[1].method + " " + seen[1].target, "POST /prefix/subjects/orders-value/versions");
  EXPECT_EQ(seen[1].body, R"({"schema":"syntax = \"proto3\";","schemaType":"PROTOBUF",)"
                          R"("references":[{"name":"m.proto","subject":"m","version":1}]})");
  EXPECT_TRUE(seen[1].has("content-type: application/vnd.schemaregistry.v1+json"));
}

TEST_F(SchemaRegistryTest, IncompatibleAndMissingSchemasAreTheUsersToMend) {
  TestServer server([](const SeenRequest& request) {
    if (request.target.ends_with("/versions")) {
      return ServerReply{409, R"({"error_code":409,"message":"READER_FIELD_MISSING_DEFAULT_VALUE"})", {}};
    }
    return not_found(40403);
  });
  auto registry = this->registry(server);
  RegisteredSchema schema{0, SchemaKind::avro, "\"int\"", {}};
  expect_error(registry->add("s", schema, stop_), Fault::user,
               "refuses the schema of s as incompatible with what it has: READER_FIELD_MISSING_DEFAULT_VALUE");
  expect_error(registry->look_up("s", schema, stop_), Fault::user, "schema_register is false: \"int\"");
}

TEST_F(SchemaRegistryTest, WhoIsDownIsTransientAndTheNextIsAsked) {
  TestServer down([](const SeenRequest&) { return ServerReply{503, "busy", {}}; });
  TestServer up([](const SeenRequest&) { return ServerReply{200, R"({"schema":"\"int\""})", {}}; });
  auto alone = registry(down);
  expect_error(alone->find(1, stop_), Fault::transient, "failed (schema 1, status 503): busy");
  auto both = value_of(SchemaRegistry::create(SchemaRegistryOptions{{down.url(), up.url()}, "", {}, {}, ""}));
  EXPECT_EQ(value_of(both->find(1, stop_))->text, "\"int\"");
  auto nobody = value_of(SchemaRegistry::create(SchemaRegistryOptions{{"http://127.0.0.1:1/x"}, "", {}, {}, ""}));
  expect_error(nobody->find(1, stop_), Fault::transient, "the schema registry http://127.0.0.1:1/x does not answer");
}

TEST_F(SchemaRegistryTest, WhoHasNotAnsweredYetIsWaitedForAndLaterFailuresAreTold) {
  std::atomic<int> asked{0};
  TestServer starting([&](const SeenRequest&) {
    const int number = ++asked;
    return number == 3 ? ServerReply{200, R"({"schema":"\"int\""})", {}} : ServerReply{503, "starting", {}};
  });
  auto registry =
      value_of(SchemaRegistry::create(SchemaRegistryOptions{{starting.url()}, "", {}, {}, "", Millis(60'000)}));
  EXPECT_EQ(value_of(registry->find(1, stop_))->text, "\"int\"");
  EXPECT_EQ(asked, 3);
  expect_error(registry->find(2, stop_), Fault::transient, "503): starting");
  EXPECT_EQ(asked, 4);
  auto never =
      value_of(SchemaRegistry::create(SchemaRegistryOptions{{"http://127.0.0.1:1"}, "", {}, {}, "", Millis(500)}));
  expect_error(never->find(1, stop_), Fault::transient, "does not answer");
}

TEST_F(SchemaRegistryTest, CredentialsGoIntoTheHeaderAndNeverIntoErrors) {
  TestServer server([](const SeenRequest&) { return ServerReply{401, "who?", {}}; });
  std::string url = server.url();
  url.insert(7, "me%40x:p%2Fw@");
  auto registry = value_of(SchemaRegistry::create(SchemaRegistryOptions{{url}, "", {}, {}, ""}));
  auto asked = registry->find(1, stop_);
  expect_error(asked, Fault::refused, "refuses access (schema 1, status 401)");
  EXPECT_EQ(asked.error().message().find("p/w"), std::string::npos);
  EXPECT_EQ(asked.error().message().find("me@x"), std::string::npos);
  EXPECT_TRUE(server.seen()[0].has("authorization: Basic bWVAeDpwL3c="));  // me@x:p/w
  auto token = value_of(SchemaRegistry::create(SchemaRegistryOptions{{server.url()}, "", {}, Secret("t0k"), ""}));
  expect_error(token->find(1, stop_), Fault::refused);
  EXPECT_TRUE(server.seen()[1].has("authorization: Bearer t0k"));
}

TEST_F(SchemaRegistryTest, AWrongPathIsSaid) {
  TestServer server([](const SeenRequest&) { return ServerReply{404, "<html>", {}}; });
  expect_error(registry(server)->find(1, stop_), Fault::user, "does its URL lack a path prefix?");
  expect_error(SchemaRegistry::create(SchemaRegistryOptions{{"registry:8081"}, "", {}, {}, ""}), Fault::user,
               "'registry:8081' is not the URL of a schema registry");
}

TEST_F(SchemaRegistryTest, OptionsWithoutARegistryAreRefused) {
  auto specs = schema_registry_options();
  auto none = value_of(OptionValues::parse("kafka", specs, OptionScope::sink, {}));
  EXPECT_EQ(value_of(SchemaRegistry::create(none)), nullptr);
  auto lost =
      value_of(OptionValues::parse("kafka", specs, OptionScope::sink, {{"schema_compatibility", {"FULL", "the URI"}}}));
  expect_error(SchemaRegistry::create(lost), Fault::user,
               "the URI: schema_compatibility has no meaning without schema_registry");
}

}  // namespace
}  // namespace sluice::net
