#include "net/aws_profile.h"

#include <fstream>

namespace sluice::net {
namespace {

std::string_view trimmed(std::string_view text) {
  auto begin = std::min(text.find_first_not_of(" \t\r"), text.size());
  text.remove_prefix(begin);
  auto end = text.find_last_not_of(" \t\r");
  return text.substr(0, end == std::string_view::npos ? 0 : end + 1);
}

// "[profile dev]" in config, "[dev]" in credentials; both write the default one plainly.
std::string_view profile_of(std::string_view section) {
  if (section.starts_with("profile ")) section = trimmed(section.substr(8));
  return section;
}

void read_file(const std::string& path, AwsProfile* profile) {
  std::ifstream in(path);
  std::string line;
  bool inside = false;
  while (std::getline(in, line)) {
    auto text = trimmed(line);
    if (text.empty() || text[0] == '#' || text[0] == ';') continue;
    if (text[0] == '[') {
      auto end = text.find(']');
      inside = end != std::string_view::npos && profile_of(trimmed(text.substr(1, end - 1))) == profile->name;
      profile->found = profile->found || inside;
      continue;
    }
    auto equals = text.find('=');
    bool nested = line[0] == ' ' || line[0] == '\t';  // the lines of a section such as "s3 ="
    if (!inside || nested || equals == std::string_view::npos) continue;
    profile->values[std::string(trimmed(text.substr(0, equals)))] = std::string(trimmed(text.substr(equals + 1)));
  }
}

std::string place(const Environment& environment, const char* variable, const char* name) {
  if (auto given = environment(variable)) return *given;
  return environment("HOME").value_or("") + "/.aws/" + name;
}

}  // namespace

std::string AwsProfile::get(const std::string& key) const {
  auto found_value = values.find(key);
  return found_value == values.end() ? std::string() : found_value->second;
}

Result<AwsProfile> read_profile(const Environment& environment, const std::string& name) {
  AwsProfile profile;
  auto variable = environment("AWS_PROFILE");
  bool named = !name.empty() || variable.has_value();
  profile.name = !name.empty() ? name : variable.value_or("default");
  read_file(place(environment, "AWS_CONFIG_FILE", "config"), &profile);
  read_file(place(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials"), &profile);
  if (named && !profile.found) {
    return user_error("the AWS profile '{}' is in neither {} nor {}", profile.name,
                      place(environment, "AWS_CONFIG_FILE", "config"),
                      place(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials"));
  }
  return profile;
}

}  // namespace sluice::net
