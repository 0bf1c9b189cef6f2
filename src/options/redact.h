// What must not be printed although its kind does not say so: parameters whose name or content looks like a secret.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

// Names with secret, token, password, credential, … or key in them ("rdkafka.sasl.password", "access_key_id"). Names in
// which a key is a column or a strategy (key, primary_key, key_strategy, …) are plain: a pipeline's recorded definition
// has to show when they change.
bool looks_secret(std::string_view name);

// `text` with the password of every URL in it as ***: "http://me:pw@registry:8081" → "http://me:***@registry:8081".
std::string redact_urls(std::string_view text);

// What may be printed of the option `name`: "***", or `value` with the passwords inside its URLs removed.
std::string printable_value(std::string_view name, std::string_view value);

}  // namespace sluice
