#include "gateway/http.h"

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

int status_of(Fault fault) {
  switch (fault) {
    case Fault::user:
      return 400;
    case Fault::refused:
      return 409;
    case Fault::transient:
    case Fault::outcome_unknown:
    case Fault::cancelled:
      return 503;
    case Fault::bug:
      return 500;
  }
  return 500;
}

}  // namespace

std::string_view HttpRequest::header(std::string_view lower_case_name) const {
  auto found = headers.find(lower_case_name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

HttpResponse http_error(int status, std::string_view message) {
  HttpResponse response;
  response.status = status;
  nlohmann::json body = {{"error", message}};
  response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
  return response;
}

HttpResponse http_error(const Error& error) { return http_error(status_of(error.fault), error.message()); }

}  // namespace sluice
