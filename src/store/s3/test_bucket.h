// A store of s3:// before a service that answers as the test says.
#pragma once

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "net/test_server.h"
#include "port/conformance/expect.h"
#include "port/conformance/scratch_folder.h"
#include "port/conformance/test_context.h"
#include "store/s3/s3.h"

namespace sluice::s3 {

using conformance::expect_error;
using conformance::expect_ok;
using conformance::value_of;
using net::SeenRequest;
using net::ServerReply;

inline ServerReply error_reply(int status, const std::string& code, const std::string& more = "") {
  return {status, fmt::format("<Error><Code>{}</Code><Message>Said so.</Message>{}</Error>", code, more), {}};
}

inline ServerReply head_reply(int64_t bytes, const std::string& etag, const std::string& marker = "") {
  return {200,
          "",
          {fmt::format("Content-Length: {}", bytes), "ETag: \"" + etag + "\"",
           "Last-Modified: Sat, 31 Jan 2026 23:59:59 GMT", "x-amz-meta-sluice-upload: " + marker}};
}

class BucketTest : public testing::Test {
 protected:
  // The service's answers, and the store's options beside those of the place.
  void serve(net::TestServer::Answer answer, RawOptions more = {}) {
    server_ = std::make_unique<net::TestServer>(std::move(answer));
    open(std::move(more));
  }
  void open(RawOptions raw = {}) {
    ::setenv("SLUICE_SPOOL", folder_.file("spool").c_str(), 1);
    raw.emplace("endpoint_url", RawOption{server_->url(), "here"});
    if (!raw.contains("anonymous")) {
      raw.emplace("access_key_id", RawOption{"AKIA", "here"});
      raw.emplace("secret_access_key", RawOption{"hunter2", "here"});
    }
    auto descriptor = s3_store();
    auto options = value_of(OptionValues::parse("s3", descriptor.options, OptionScope::both, raw));
    store_ = value_of(descriptor.create(Location{.scheme = "s3"}, options));
  }

  std::string prepare(const std::string& path, const std::string& content, IfExists if_exists = IfExists::fail) {
    auto upload = value_of(store_->begin(context_, path, "p@1", if_exists));
    EXPECT_TRUE(upload->stream()->Write(content.data(), static_cast<int64_t>(content.size())).ok());
    return value_of(upload->finish(context_));
  }
  std::vector<std::string> list(const std::string& pattern, const std::function<bool(const std::string&)>& keep = {}) {
    std::vector<std::string> paths;
    for (const auto& object : value_of(store_->list(context_, pattern, false, keep))) paths.push_back(object.path);
    return paths;
  }
  // The methods and targets that the service has seen.
  std::vector<std::string> seen() {
    std::vector<std::string> out;
    for (const auto& request : server_->seen()) out.push_back(request.method + " " + request.target);
    return out;
  }

  conformance::ScratchFolder folder_;
  conformance::TestContext context_;
  std::unique_ptr<net::TestServer> server_;
  std::unique_ptr<Store> store_;
};

}  // namespace sluice::s3
