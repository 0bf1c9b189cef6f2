#include "net/curl_api.h"

#include <dlfcn.h>

#include "base/symbols.h"

namespace sluice::net {
namespace {

// The OpenSSL flavour's name in Debian and elsewhere; the interface has been the same since 2006.
constexpr const char* kLibrary = "libcurl.so.4";

Result<CurlApi> load_api() {
  void* library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    return refused("HTTP needs {}, which cannot be loaded ({}); install libcurl4", kLibrary, dlerror());
  Symbols load(library);
  CurlApi api;
  load(api.global_init, "curl_global_init");
  load(api.easy_init, "curl_easy_init");
  load(api.easy_cleanup, "curl_easy_cleanup");
  load(api.easy_reset, "curl_easy_reset");
  load(api.easy_setopt, "curl_easy_setopt");
  load(api.easy_getinfo, "curl_easy_getinfo");
  load(api.easy_strerror, "curl_easy_strerror");
  load(api.slist_append, "curl_slist_append");
  load(api.slist_free_all, "curl_slist_free_all");
  load(api.multi_init, "curl_multi_init");
  load(api.multi_cleanup, "curl_multi_cleanup");
  load(api.multi_setopt, "curl_multi_setopt");
  load(api.multi_add_handle, "curl_multi_add_handle");
  load(api.multi_remove_handle, "curl_multi_remove_handle");
  load(api.multi_perform, "curl_multi_perform");
  load(api.multi_poll, "curl_multi_poll");
  load(api.multi_wakeup, "curl_multi_wakeup");
  load(api.multi_info_read, "curl_multi_info_read");
  if (load.missing() != nullptr) {
    return refused("the installed {} is too old: it has no {}; install libcurl 7.68 or newer", kLibrary,
                   load.missing());
  }
  if (api.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return refused("{} could not be initialised", kLibrary);
  return api;
}

}  // namespace

Result<const CurlApi*> curl_api() {
  static const Result<CurlApi> api = load_api();
  if (!api.ok()) return api.error();
  return &api.value();
}

}  // namespace sluice::net
