#include "store/s3/publish.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "net/xml.h"
#include "store/s3/faults.h"
#include "store/s3/sweep.h"
#include "store/s3/token.h"
#include "store/s3/walk.h"

namespace sluice::s3 {
namespace {

constexpr size_t kInFlight = 16;
// Of what a failed epoch had prepared: it may be while a pipeline is being stopped, and a sweep finds what is left.
constexpr Millis kDiscardWithin{5000};

Request request_of(const Token& token) {
  Request request;
  request.address = token.address;
  request.doing = "write";
  request.permission = "s3:PutObject";
  return request;
}

// One publication. The request goes first when this is destroyed, what it sends after it.
struct Publication {
  Token token;
  std::optional<MappedFile> bytes;         // of a small object
  std::string parts;                       // of a large one
  std::optional<Client::Pending> pending;  // empty: there is nothing left to send
};

std::string render_parts(const std::vector<std::string>& etags) {
  std::string xml = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (size_t i = 0; i < etags.size(); ++i) {
    xml += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", i + 1,
                       net::xml_escape("\"" + etags[i] + "\""));
  }
  return xml + "</CompleteMultipartUpload>";
}

Request put_request(const Client& client, const Publication& publication, bool conditional) {
  const auto& token = publication.token;
  Request request = request_of(token);
  if (token.upload_id.empty()) {
    request.method = "PUT";
    request.body = publication.bytes->bytes();
    request.headers = client.settings().of_objects;
    request.headers.emplace_back(kMarkerHeader, token.marker);
  } else {
    request.method = "POST";
    request.query = {{"uploadId", token.upload_id}};
    request.body = publication.parts;
    request.root = "CompleteMultipartUploadResult";
    request.headers.emplace_back("Content-Type", "application/xml");
  }
  if (conditional) request.headers.emplace_back("If-None-Match", "*");
  return request;
}

enum class There { nothing, ours, others };

Result<There> look(Client& client, Context& context, const Token& token) {
  const auto answer = TRY(head_object(client, context, token.address));
  if (!answer.has_value()) return There::nothing;
  return answer->http.header(kMarkerHeader) == token.marker ? There::ours : There::others;
}

Error exists_already(const Token& token) {
  return refused("cannot write {}: it exists already and is not ours to replace", token.address.url());
}

// Nothing can be sent (any more): either it was done before, or what was prepared is gone.
Result<void> was_published(Client& client, Context& context, const Token& token) {
  auto there = TRY(look(client, context, token));
  if (there == There::ours) return {};
  if (there == There::others && token.if_exists == IfExists::fail) return exists_already(token);
  return refused("cannot write {}: what was prepared for it is gone ({})", token.address.url(),
                 token.upload_id.empty() ? "the spool file " + token.spool : "the upload was aborted");
}

Result<Publication> begin_publication(Client& client, Context& context, const std::string& text) {
  Publication publication;
  publication.token = TRY(parse_token(text));
  const auto& token = publication.token;
  crash_point("store.s3.publish.before");
  if (token.upload_id.empty()) {
    publication.bytes = TRY(MappedFile::open(token.spool));
    if (!publication.bytes.has_value()) return publication;
    if (static_cast<int64_t>(publication.bytes->bytes().size()) != token.bytes) {
      return refused("cannot write {}: its spool file {} was cut short", token.address.url(), token.spool);
    }
  } else {
    publication.parts = render_parts(token.etags);
  }
  bool conditional = token.if_exists == IfExists::fail;
  publication.pending = TRY(client.start(context, put_request(client, publication, conditional)));
  return publication;
}

// For services that do not know If-None-Match: look, then write.
Result<void> publish_unguarded(Client& client, Context& context, const Publication& publication) {
  const auto& token = publication.token;
  context.log.warn("the S3 service knows no conditional writes: two writers of one name could overwrite each other",
                   {{"object", token.address.url()}});
  auto there = TRY(look(client, context, token));
  if (there == There::ours) return {};
  if (there == There::others) return exists_already(token);
  auto request = put_request(client, publication, /*conditional=*/false);
  auto answer = TRY(client.send(context, request));
  if (answer.is("NoSuchUpload")) return was_published(client, context, token);
  if (!answer.ok()) return unexpected(request, answer);
  return {};
}

Result<void> send_publication(Client& client, Context& context, Publication& publication) {
  const auto& token = publication.token;
  if (!publication.pending.has_value()) return was_published(client, context, token);
  auto pending = std::move(*publication.pending);
  publication.pending.reset();
  Request request = pending.request;
  auto answer = TRY(client.finish(context, std::move(pending)));
  if (answer.ok()) return {};
  if (answer.http.status == 412) {
    if (TRY(look(client, context, token)) == There::ours) return {};
    return exists_already(token);
  }
  if (answer.is("NoSuchUpload")) return was_published(client, context, token);
  if (answer.http.status == 501 && token.if_exists == IfExists::fail) {
    return publish_unguarded(client, context, publication);
  }
  if (answer.is("ObjectParentIsFile") || answer.is("ExistingObjectIsDirectory")) {
    return refused("cannot write {}: on this service a name is an object or a folder, and this one would be both",
                   token.address.url());
  }
  return unexpected(request, answer);
}

Result<void> end_publication(Client& client, Context& context, Publication publication) {
  TRY(send_publication(client, context, publication));
  crash_point("store.s3.publish.after");
  // Not made durable: what comes back after a power cut is published again, which finds the object as ours.
  return Spool::remove(publication.token.spool);
}

}  // namespace

Result<void> publish_tokens(Client& client, Context& context, std::span<const std::string> tokens) {
  std::deque<Publication> under_way;
  for (const auto& token : tokens) {
    if (under_way.size() >= kInFlight) {
      TRY(end_publication(client, context, std::move(under_way.front())));
      under_way.pop_front();
    }
    under_way.push_back(TRY(begin_publication(client, context, token)));
  }
  for (; !under_way.empty(); under_way.pop_front()) {
    TRY(end_publication(client, context, std::move(under_way.front())));
  }
  return {};
}

Result<void> discard_token(Client& client, Context& context, const std::string& text) {
  auto token = TRY(parse_token(text));
  if (!token.upload_id.empty()) TRY(abort_upload(client, context, token.address, token.upload_id, kDiscardWithin));
  crash_point("store.s3.discarding");
  return Spool::remove(token.spool);
}

Result<void> probe_prefix(Client& client, Context& context, const std::string& prefix) {
  Request list;
  list.address.bucket = address_of(prefix).bucket;
  list.about = address_of(prefix).url();
  list.doing = "list";
  list.permission = "s3:ListBucket";
  list.query = {{"list-type", "2"}, {"prefix", address_of(prefix).key}, {"max-keys", "1"}};
  auto listed = TRY(client.send(context, list));
  if (!listed.ok()) return unexpected(list, listed);

  Token token;
  std::string folder = prefix.ends_with('/') ? prefix : prefix + "/";
  token.address = address_of(folder + ".sluice-probe-" + TRY(random_hex()));
  Request create = request_of(token);
  create.method = "POST";
  create.query = {{"uploads", ""}};
  create.headers = client.settings().of_objects;
  create.doing = "create objects such as";
  auto created = TRY(client.send(context, create));
  if (!created.ok()) return unexpected(create, created);
  return abort_upload(client, context, token.address, TRY(parse_upload_id(created.http.body)));
}

Result<void> remove_object(Client& client, Context& context, const std::string& path) {
  Request request;
  request.method = "DELETE";
  request.address = address_of(path);
  request.doing = "remove";
  request.permission = "s3:DeleteObject";
  auto answer = TRY(client.send(context, request));
  if (!answer.ok() && answer.http.status != 404) return unexpected(request, answer);
  return {};
}

}  // namespace sluice::s3
