#include "port/glob.h"

#include <algorithm>
#include <cstdint>

namespace sluice {
namespace {

constexpr size_t kAlternativesMax = 1024;

// The UTF-8 character at `text[i]`, advancing i. Bytes that are not UTF-8 stand for themselves.
uint32_t next_character(std::string_view text, size_t& i) {
  auto lead = static_cast<unsigned char>(text[i++]);
  int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
  if (more == 0 || i + more > text.size()) return lead;
  uint32_t character = lead & (0x3F >> more);
  for (int k = 0; k < more; ++k) {
    auto byte = static_cast<unsigned char>(text[i + k]);
    if ((byte & 0xC0) != 0x80) return lead;
    character = character << 6 | (byte & 0x3F);
  }
  i += more;
  return character;
}

// Past the ']' that closes the class opened at `begin`, or npos. A ']' right after the opening is a member.
size_t end_of_class(std::string_view text, size_t begin) {
  size_t i = begin + 1;
  if (i < text.size() && (text[i] == '!' || text[i] == '^')) ++i;
  if (i < text.size() && text[i] == ']') ++i;
  while (i < text.size() && text[i] != ']') i += text[i] == '\\' ? 2 : 1;
  return i < text.size() ? i + 1 : std::string_view::npos;
}

bool class_holds(std::string_view members, uint32_t character) {
  size_t i = 0;
  bool negated = !members.empty() && (members[0] == '!' || members[0] == '^');
  if (negated) ++i;
  auto member = [&] {
    if (members[i] == '\\' && i + 1 < members.size()) ++i;
    return next_character(members, i);
  };
  bool found = false;
  while (i < members.size()) {
    uint32_t low = member();
    uint32_t high = low;
    if (i + 1 < members.size() && members[i] == '-') {
      ++i;
      high = member();
    }
    found = found || (character >= low && character <= high);
  }
  return found != negated;
}

// Matches one pattern element that is not '*' at pattern[p] against the character at name[n]; advances both.
bool matches_one(std::string_view pattern, size_t& p, std::string_view name, size_t& n) {
  uint32_t character = next_character(name, n);
  if (pattern[p] == '?') return ++p, true;
  if (pattern[p] == '[') {
    size_t end = end_of_class(pattern, p);
    bool held = class_holds(pattern.substr(p + 1, end - p - 2), character);
    p = end;
    return held;
  }
  if (pattern[p] == '\\' && p + 1 < pattern.size()) ++p;
  return next_character(pattern, p) == character;
}

bool matches_wild(std::string_view pattern, std::string_view name) {
  size_t p = 0;
  size_t n = 0;
  size_t star = std::string_view::npos;  // the last '*' seen, and where the name stood then
  size_t resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
      continue;
    }
    size_t next_p = p;
    size_t next_n = n;
    if (p < pattern.size() && matches_one(pattern, next_p, name, next_n)) {
      p = next_p;
      n = next_n;
      continue;
    }
    if (star == std::string_view::npos) return false;
    p = star + 1;
    next_character(name, resume);
    n = resume;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// Replaces the first {a,b} by each of its alternatives, until none is left.
Result<void> expand_braces(const std::string& text, std::vector<std::string>& out) {
  size_t open = std::string::npos;
  for (size_t i = 0; i < text.size() && open == std::string::npos; ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      open = i;
    } else if (text[i] == '[') {
      size_t end = end_of_class(text, i);
      if (end == std::string::npos) return user_error("the pattern '{}' has a '[' that is not closed", text);
      i = end - 1;
    }
  }
  if (open == std::string::npos) {
    if (out.size() >= kAlternativesMax) {
      return user_error("the pattern has more than {} alternatives in braces; use * instead", kAlternativesMax);
    }
    out.push_back(text);
    return {};
  }
  std::vector<size_t> cuts = {open};
  int depth = 1;
  size_t i = open + 1;
  for (; i < text.size() && depth > 0; ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '{')
      ++depth;
    else if (text[i] == '}' && --depth == 0)
      cuts.push_back(i);
    else if (text[i] == ',' && depth == 1)
      cuts.push_back(i);
  }
  if (depth > 0) return user_error("the pattern '{}' has a '{{' that is not closed", text);
  for (size_t k = 0; k + 1 < cuts.size(); ++k) {
    std::string alternative = text.substr(cuts[k] + 1, cuts[k + 1] - cuts[k] - 1);
    TRY(expand_braces(text.substr(0, open) + alternative + text.substr(cuts.back() + 1), out));
  }
  return {};
}

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= path.size()) {
    size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) parts.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::string without_escapes(std::string_view component) {
  std::string out;
  for (size_t i = 0; i < component.size(); ++i) {
    if (component[i] == '\\' && i + 1 < component.size()) ++i;
    out += component[i];
  }
  return out;
}

// A ** may stand for no folder at all, so what follows it is possible, too.
void add_state(const Glob& glob, GlobState state, GlobStates* states) {
  states->insert(state);
  const auto& parts = glob.alternatives[state.alternative].components;
  while (parts[state.component] == "**" && state.component + 1 < parts.size()) {
    ++state.component;
    states->insert(state);
  }
}

}  // namespace

bool has_wildcard(std::string_view text) { return text.find_first_of("*?[{\\") != std::string_view::npos; }

bool matches_name(std::string_view component, std::string_view name) {
  if (!name.empty() && (name[0] == '.' || name[0] == '_')) {
    auto first = component.empty() ? '\0' : component[0] == '\\' && component.size() > 1 ? component[1] : component[0];
    if (first != name[0]) return false;
  }
  return matches_wild(component, name);
}

Result<Glob> parse_glob(std::string_view pattern) {
  std::vector<std::string> texts;
  TRY(expand_braces(std::string(pattern), texts));
  Glob glob;
  for (const auto& text : texts) {
    auto components = split(text);
    if (components.empty()) return user_error("the pattern '{}' has an alternative that names nothing", pattern);
    glob.alternatives.push_back({std::move(components)});
  }

  // The root takes components while every alternative has the same one, without wildcards, and more after it.
  bool absolute = pattern.starts_with('/');
  glob.root = absolute ? "/" : "";
  for (size_t taken = 0;; ++taken) {
    const auto& first = glob.alternatives[0].components;
    if (taken >= first.size()) break;
    bool shared = std::all_of(glob.alternatives.begin(), glob.alternatives.end(), [&](const PathPattern& other) {
      return other.components.size() > taken + 1 && other.components[taken] == first[taken];
    });
    auto literal = without_escapes(first[taken]);
    if (!shared || first[taken].find_first_of("*?[") != std::string::npos) {
      for (auto& other : glob.alternatives) {
        other.components.erase(other.components.begin(), other.components.begin() + static_cast<long>(taken));
      }
      break;
    }
    if (!glob.root.empty() && glob.root.back() != '/') glob.root += '/';
    glob.root += literal;
  }
  if (glob.root.empty()) glob.root = ".";
  return glob;
}

void make_recursive(Glob& glob) {
  std::vector<PathPattern> more;
  for (auto& alternative : glob.alternatives) {
    auto& parts = alternative.components;
    if (parts.empty() || parts.back() == "**") continue;
    if (parts.size() < 2 || parts[parts.size() - 2] != "**") parts.insert(parts.end() - 1, "**");
    if (parts.back() == "*") continue;  // ** / * has everything below already
    PathPattern below = alternative;
    below.components.emplace_back("**");
    more.push_back(std::move(below));
  }
  glob.alternatives.insert(glob.alternatives.end(), more.begin(), more.end());
}

GlobStates start_of(const Glob& glob) {
  GlobStates states;
  for (size_t i = 0; i < glob.alternatives.size(); ++i) add_state(glob, {i, 0}, &states);
  return states;
}

std::pair<GlobStates, bool> follow(const Glob& glob, const GlobStates& states, std::string_view name) {
  GlobStates next;
  bool wanted = false;
  for (const auto& state : states) {
    const auto& parts = glob.alternatives[state.alternative].components;
    bool last = state.component + 1 == parts.size();
    const auto& part = parts[state.component];
    if (!matches_name(part == "**" ? "*" : part, name)) continue;
    if (part == "**") add_state(glob, state, &next);
    if (last) {
      wanted = true;
    } else if (part != "**") {
      add_state(glob, {state.alternative, state.component + 1}, &next);
    }
  }
  return {std::move(next), wanted};
}

}  // namespace sluice
