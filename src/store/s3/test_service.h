// Real S3 servers for tests: versitygw and moto, where `tools/deps test` installed them.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/test_server.h"
#include "port/conformance/expect.h"
#include "port/conformance/scratch_folder.h"
#include "port/conformance/test_context.h"
#include "store/s3/client.h"

namespace sluice::conformance {

inline constexpr const char* kS3Id = "test-access";
inline constexpr const char* kS3Secret = "test-secret-key";
inline constexpr const char* kS3Bucket = "battery";

inline int free_port() {
  net::TestServer probe([](const net::SeenRequest&) { return net::ServerReply{}; });
  return std::atoi(probe.url().substr(probe.url().rfind(':') + 1).c_str());
}

// A server process with one bucket, started at its first use and ended with the test program.
class S3Server {
 public:
  explicit S3Server(const std::string& name) : name_(name) {
    const bool versity = name == "versitygw";
    program_ = versity ? ".deps/go/bin/versitygw" : ".deps/venv/bin/moto_server";
    const char* override_name = versity ? "SLUICE_TEST_VERSITYGW" : "SLUICE_TEST_MOTO";
    if (const char* given = std::getenv(override_name); given != nullptr) program_ = given;
    if (!std::filesystem::exists(program_)) return;
    std::string port = std::to_string(free_port());
    endpoint_ = "http://127.0.0.1:" + port;
    std::filesystem::create_directories(folder_.file("data"));
    std::filesystem::create_directories(folder_.file("meta"));
    if (versity) {
      start({"--port", "127.0.0.1:" + port, "--access", kS3Id, "--secret", kS3Secret, "--quiet", "posix", "--sidecar",
             folder_.file("meta"), folder_.file("data")});
    } else {
      start({"-H", "127.0.0.1", "-p", port});
    }
    make_bucket();
  }
  S3Server(const S3Server&) = delete;
  S3Server& operator=(const S3Server&) = delete;
  ~S3Server() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(pid_, &status, 0);
  }

  [[nodiscard]] bool running() const { return pid_ > 0; }
  [[nodiscard]] const std::string& program() const { return program_; }
  [[nodiscard]] std::string spool() const { return folder_.file("spool"); }
  [[nodiscard]] RawOptions options() const {
    return {{"endpoint_url", {endpoint_, "here"}},
            {"region", {"us-east-1", "here"}},
            {"access_key_id", {kS3Id, "here"}},
            {"secret_access_key", {kS3Secret, "here"}}};
  }

 private:
  void start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program_);
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    std::string log = folder_.file("log");
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT, 0644);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    if (::posix_spawn(&pid_, program_.c_str(), &actions, nullptr, argv.data(), environ) != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
  }

  void make_bucket() {
    TestContext context;
    auto values = value_of(OptionValues::parse("s3", s3::setting_specs(), OptionScope::both, options()));
    auto settings = value_of(s3::read_settings(values, net::process_environment()));
    settings.retries_max = 40;  // it is still starting
    auto client = value_of(s3::Client::create(std::move(settings), net::process_environment()));
    s3::Request request;
    request.method = "PUT";
    request.address.bucket = kS3Bucket;
    request.doing = "create";
    auto answer = value_of(client->send(context, request));
    EXPECT_TRUE(answer.ok()) << answer.http.status << " " << answer.http.body;
  }

  const std::string name_;
  ScratchFolder folder_;
  std::string program_;
  std::string endpoint_;
  pid_t pid_ = -1;
};

// Those that were asked for, until the test program ends.
class S3Servers : public testing::Environment {
 public:
  S3Server& get(const std::string& name) {
    auto& server = servers_[name];
    if (server == nullptr) server = std::make_unique<S3Server>(name);
    return *server;
  }
  void TearDown() override { servers_.clear(); }

 private:
  std::map<std::string, std::unique_ptr<S3Server>> servers_;
};

inline S3Servers* s3_servers() {
  static auto* environment = static_cast<S3Servers*>(testing::AddGlobalTestEnvironment(new S3Servers));
  return environment;
}

}  // namespace sluice::conformance
