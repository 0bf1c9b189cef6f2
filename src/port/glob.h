// The patterns that Store::list() takes: * and ? within a name, ** over folders, [a-z] [!a-z] classes, {a,b}
// alternatives (nested, may contain slashes), \ before a character to mean itself. ? and classes match whole UTF-8
// characters.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace sluice {

// True when `text` holds any character that a pattern gives a meaning to.
bool has_wildcard(std::string_view text);

// `name` against one component of a pattern (no braces, no slashes). A hidden name (first character . or _) is matched
// only by a component that starts with that very character.
bool matches_name(std::string_view component, std::string_view name);

// A pattern with its braces expanded, split at slashes.
struct PathPattern {
  std::vector<std::string> components;
};

// What a pattern means: all its alternatives below the longest folder that they share and that needs no matching.
struct Glob {
  std::string root;                       // "/data"; "/" at least for absolute patterns
  std::vector<PathPattern> alternatives;  // relative to the root; never empty
};

// Errors: a brace or bracket that is not closed, more than 1,024 alternatives.
Result<Glob> parse_glob(std::string_view pattern);

// data/*.json means data/**/*.json; and what lies below a folder matching the last component is taken, too.
void make_recursive(Glob& glob);

// How much of which alternative a path has matched so far: a folder is walked once for all alternatives together.
struct GlobState {
  size_t alternative;
  size_t component;
  auto operator<=>(const GlobState&) const = default;
};
using GlobStates = std::set<GlobState>;

GlobStates start_of(const Glob& glob);  // at the glob's root
// Follows every state over one name: the states behind it if it is a folder, and whether it is wanted if it is a file.
std::pair<GlobStates, bool> follow(const Glob& glob, const GlobStates& states, std::string_view name);

}  // namespace sluice
