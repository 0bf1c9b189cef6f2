#include "store/s3/settings.h"

namespace sluice::s3 {
namespace {

// The ready-made rules of S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
const std::vector<std::string_view> kAcls = {
    "private",       "public-read",       "public-read-write",        "authenticated-read",
    "aws-exec-read", "bucket-owner-read", "bucket-owner-full-control"};

std::vector<OptionSpec> make_specs() {
  std::vector<OptionSpec> specs;
  auto add = [&](OptionSpec spec) { specs.push_back(std::move(spec)); };
  add({.name = "region",
       .doc = "The bucket's region; without it AWS_REGION, the profile's, or where the bucket turns out to be."});
  add({.name = "access_key_id",
       .kind = OptionKind::secret,
       .doc = "The access key's id; without it the environment, profile files, web identity, container and instance "
              "role are asked in this order."});
  add({.name = "secret_access_key", .kind = OptionKind::secret, .doc = "The access key's secret."});
  add({.name = "session_token", .kind = OptionKind::secret, .doc = "The session token of temporary credentials."});
  add({.name = "profile", .doc = "The profile of the AWS configuration files to take credentials and region from."});
  add({.name = "anonymous",
       .kind = OptionKind::boolean,
       .default_value = "false",
       .doc = "Sends requests without a signature, for public buckets."});
  add({.name = "endpoint_url", .doc = "The service's URL where it is not AWS, such as http://localhost:9000."});
  add({.name = "force_path_style",
       .kind = OptionKind::boolean,
       .doc = "Names the bucket in the path instead of the host name; by default with an endpoint_url and for bucket "
              "names with dots."});
  add({.name = "max_retries",
       .kind = OptionKind::integer,
       .default_value = "3",
       .doc = "How often a request that failed for a passing reason is sent again; a service that asks to slow down "
              "is given three minutes beside that.",
       .min = 0,
       .max = 100});
  add({.name = "ca_file", .doc = "A PEM file with the certificates to trust instead of the system's."});
  add({.name = "expected_owner", .doc = "The account that must own the bucket; requests fail when another does."});
  add({.name = "acl",
       .kind = OptionKind::choice,
       .doc = "The canned access rule of objects written.",
       .scope = OptionScope::sink,
       .choices = kAcls});
  add({.name = "storage_class",
       .doc = "The storage class of objects written, such as STANDARD_IA.",
       .scope = OptionScope::sink});
  add({.name = "sse",
       .doc = "The encryption of objects written: AES256, aws:kms, or the id or ARN of a KMS key.",
       .scope = OptionScope::sink});
  add({.name = "tags",
       .kind = OptionKind::list,
       .doc = "Tags of objects written: name=value, at most ten.",
       .scope = OptionScope::sink});
  return specs;
}

std::string text_of(const OptionValues& options, std::string_view name) {
  return options.has(name) ? options.text(name) : std::string();
}

Secret secret_of(const OptionValues& options, std::string_view name) {
  return options.has(name) ? options.secret(name) : Secret();
}

Result<std::string> render_tags(const std::vector<std::string>& tags) {
  if (tags.size() > 10) return user_error("an S3 object has at most ten tags, not {}", tags.size());
  std::string out;
  for (const auto& tag : tags) {
    auto equals = tag.find('=');
    if (equals == 0 || equals == std::string::npos) return user_error("the tag '{}' is not name=value", tag);
    if (!out.empty()) out += '&';
    out += net::percent_encode(tag.substr(0, equals)) + "=" + net::percent_encode(tag.substr(equals + 1));
  }
  return out;
}

Result<net::HttpHeaders> headers_of_objects(const OptionValues& options) {
  net::HttpHeaders headers;
  if (auto acl = text_of(options, "acl"); !acl.empty()) headers.emplace_back("x-amz-acl", acl);
  if (auto name = text_of(options, "storage_class"); !name.empty()) headers.emplace_back("x-amz-storage-class", name);
  if (auto sse = text_of(options, "sse"); !sse.empty()) {
    bool key = sse != "AES256" && sse != "aws:kms";
    headers.emplace_back("x-amz-server-side-encryption", key ? "aws:kms" : sse);
    if (key) headers.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", sse);
  }
  if (options.has("tags")) {
    auto tags = TRY(render_tags(options.list("tags")));
    if (!tags.empty()) headers.emplace_back("x-amz-tagging", tags);
  }
  for (const auto& [name, value] : headers) {
    if (value.find_first_of("\r\n") != std::string::npos) return user_error("a line break in {} makes no header", name);
  }
  return headers;
}

}  // namespace

const std::vector<OptionSpec>& setting_specs() {
  static const std::vector<OptionSpec> specs = make_specs();
  return specs;
}

Result<Settings> read_settings(const OptionValues& options, const net::Environment& environment) {
  Settings settings;
  settings.credentials.access_key_id = secret_of(options, "access_key_id").reveal();
  settings.credentials.secret_access_key = secret_of(options, "secret_access_key");
  settings.credentials.session_token = secret_of(options, "session_token");
  settings.credentials.profile = text_of(options, "profile");
  settings.anonymous = options.boolean("anonymous");
  if (settings.anonymous && !settings.credentials.access_key_id.empty()) {
    return user_error("anonymous and access_key_id exclude each other");
  }
  settings.region = text_of(options, "region");
  settings.region_given = !settings.region.empty();
  if (settings.region.empty()) {
    settings.region = TRY(net::configured_region(environment, settings.credentials.profile));
  }
  if (settings.region.empty()) settings.region = "us-east-1";

  std::string endpoint = text_of(options, "endpoint_url");
  for (const char* name : {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}) {
    if (endpoint.empty()) endpoint = environment(name).value_or("");
  }
  if (!endpoint.empty()) {
    auto url = net::parse_url(endpoint);
    if (!url.ok()) return std::move(url).while_doing("reading endpoint_url").error();
    if (!url->query.empty()) return user_error("endpoint_url takes no parameters");
    while (url->path.ends_with('/')) url->path.pop_back();
    settings.endpoint = url.value();
  }
  bool amazon = !settings.endpoint.has_value() || settings.endpoint->host.ends_with(".amazonaws.com");
  settings.path_style = options.has("force_path_style") ? options.boolean("force_path_style") : !amazon;
  settings.ca_file = text_of(options, "ca_file");
  settings.retries_max = static_cast<int>(options.integer("max_retries"));
  settings.expected_owner = text_of(options, "expected_owner");
  settings.of_objects = TRY(headers_of_objects(options));
  return settings;
}

}  // namespace sluice::s3
