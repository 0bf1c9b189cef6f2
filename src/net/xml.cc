#include "net/xml.h"

#include <algorithm>
#include <cstdint>

namespace sluice::net {
namespace {

constexpr size_t kDepthMax = 16;
constexpr std::string_view kSpaces = " \t\r\n";

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.' || c == ':' || static_cast<unsigned char>(c) >= 0x80;
}

std::string_view take_name(std::string_view* rest) {
  size_t end = 0;
  while (end < rest->size() && is_name_character((*rest)[end])) ++end;
  auto name = rest->substr(0, end);
  rest->remove_prefix(end);
  return name;
}

void skip_spaces(std::string_view* rest) {
  rest->remove_prefix(std::min(rest->find_first_not_of(kSpaces), rest->size()));
}

void append_utf8(uint32_t c, std::string* out) {
  auto put = [out](uint32_t byte) { *out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

// The digits of "#10" or "#x1F". Keys may hold control characters, which S3 writes this way although XML 1.0 forbids
// it.
bool append_numbered(std::string_view name, std::string* out) {
  name.remove_prefix(1);
  uint32_t base = 10;
  if (name.starts_with('x')) {
    base = 16;
    name.remove_prefix(1);
  }
  if (name.empty() || name.size() > 8) return false;
  uint32_t code = 0;
  for (char c : name) {
    uint32_t digit = c >= '0' && c <= '9'   ? static_cast<uint32_t>(c - '0')
                     : c >= 'a' && c <= 'f' ? static_cast<uint32_t>(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? static_cast<uint32_t>(c - 'A' + 10)
                                            : 99;
    if (digit >= base || code > 0x10FFFF) return false;
    code = code * base + digit;
  }
  if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
  append_utf8(code, out);
  return true;
}

bool append_entity(std::string_view name, std::string* out) {
  if (name.starts_with('#')) return append_numbered(name, out);
  char c = name == "amp"    ? '&'
           : name == "lt"   ? '<'
           : name == "gt"   ? '>'
           : name == "quot" ? '"'
           : name == "apos" ? '\''
                            : '\0';
  if (c == '\0') return false;
  *out += c;
  return true;
}

std::string_view local_name(std::string_view name) {
  auto colon = name.rfind(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

}  // namespace

Error XmlReader::malformed(std::string_view what) const {
  return transient("the service's answer is not well-formed XML: {} at byte {}", what, document_.size() - rest_.size());
}

Result<void> XmlReader::skip_to(std::string_view end) {
  auto at = rest_.find(end);
  if (at == std::string_view::npos) return malformed("it ends too early");
  rest_.remove_prefix(at + end.size());
  return {};
}

Result<XmlReader::Token> XmlReader::next() {
  if (pending_end_) {
    pending_end_ = false;
    Token token{Kind::end, open_.back(), {}};
    open_.pop_back();
    return token;
  }
  for (;;) {
    if (open_.empty()) {  // around the root only space, comments and instructions
      if (document_.size() == rest_.size() && rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
      skip_spaces(&rest_);
      if (rest_.empty()) {
        if (!root_seen_) return malformed("it is empty");
        return Token{};
      }
      if (!rest_.starts_with('<')) return malformed("text outside of the root element");
    } else if (rest_.empty()) {
      return malformed("it ends too early");
    }
    if (rest_.starts_with("<?")) {
      TRY(skip_to("?>"));
    } else if (rest_.starts_with("<!--")) {
      rest_.remove_prefix(4);
      TRY(skip_to("-->"));
    } else if (rest_.starts_with("<![CDATA[") || !rest_.starts_with('<')) {
      if (open_.empty()) return malformed("text outside of the root element");
      return Token{Kind::text, {}, TRY(read_text())};
    } else {
      return read_markup();
    }
  }
}

Result<XmlReader::Token> XmlReader::read_markup() {
  if (rest_.starts_with("<!")) return malformed("a declaration");
  return rest_.starts_with("</") ? read_end() : read_start();
}

Result<XmlReader::Token> XmlReader::read_start() {
  if (open_.empty() && root_seen_) return malformed("a second root element");
  if (open_.size() >= kDepthMax) return malformed("too deep a nesting");
  rest_.remove_prefix(1);
  auto name = take_name(&rest_);
  if (name.empty()) return malformed("a '<' without a name");
  TRY(skip_attributes(&pending_end_));
  root_seen_ = true;
  open_.push_back(name);
  return Token{Kind::start, name, {}};
}

Result<void> XmlReader::skip_attributes(bool* empty) {
  for (;;) {
    bool spaced = rest_.find_first_not_of(kSpaces) != 0;
    skip_spaces(&rest_);
    if (rest_.starts_with('>')) return rest_.remove_prefix(1), Result<void>();
    if (rest_.starts_with("/>")) {
      rest_.remove_prefix(2);
      *empty = true;
      return {};
    }
    if (!spaced || take_name(&rest_).empty()) return malformed("an element's tag that does not close");
    skip_spaces(&rest_);
    if (!rest_.starts_with('=')) return malformed("an attribute without a value");
    rest_.remove_prefix(1);
    skip_spaces(&rest_);
    if (!rest_.starts_with('"') && !rest_.starts_with('\'')) return malformed("an attribute without quotes");
    std::string_view quote = rest_.substr(0, 1);
    rest_.remove_prefix(1);
    auto end = rest_.find(quote);
    if (end == std::string_view::npos || rest_.substr(0, end).find('<') != std::string_view::npos) {
      return malformed("an attribute that does not end");
    }
    rest_.remove_prefix(end + 1);
  }
}

Result<XmlReader::Token> XmlReader::read_end() {
  rest_.remove_prefix(2);
  auto name = take_name(&rest_);
  skip_spaces(&rest_);
  if (!rest_.starts_with('>') || open_.empty() || open_.back() != name)
    return malformed("an end tag that fits no start");
  rest_.remove_prefix(1);
  open_.pop_back();
  return Token{Kind::end, name, {}};
}

Result<std::string> XmlReader::read_text() {
  constexpr std::string_view kCdata = "<![CDATA[";
  std::string out;
  for (;;) {
    if (rest_.starts_with(kCdata)) {
      auto end = rest_.find("]]>");
      if (end == std::string_view::npos) return malformed("a CDATA section that does not end");
      out += rest_.substr(kCdata.size(), end - kCdata.size());
      rest_.remove_prefix(end + 3);
    } else if (rest_.starts_with('&')) {
      auto end = rest_.substr(0, 12).find(';');
      if (end == std::string_view::npos || !append_entity(rest_.substr(1, end - 1), &out)) {
        return malformed("an unknown entity");
      }
      rest_.remove_prefix(end + 1);
    } else if (rest_.empty() || rest_.starts_with('<')) {
      return out;
    } else {
      auto end = std::min(rest_.find_first_of("<&"), rest_.size());
      out += rest_.substr(0, end);
      rest_.remove_prefix(end);
    }
  }
}

const XmlElement* XmlElement::child(std::string_view wanted) const {
  for (const auto& element : children) {
    if (element.name == wanted) return &element;
  }
  return nullptr;
}

std::string XmlElement::child_text(std::string_view wanted) const {
  const auto* element = child(wanted);
  return element == nullptr ? std::string() : element->text;
}

Result<XmlElement> parse_xml(std::string_view document) {
  XmlReader reader(document);
  XmlElement root;
  std::vector<XmlElement> open;
  for (;;) {
    auto token = TRY(reader.next());
    switch (token.kind) {
      case XmlReader::Kind::start:
        open.push_back({std::string(local_name(token.name)), {}, {}});
        break;
      case XmlReader::Kind::text:
        open.back().text += token.text;
        break;
      case XmlReader::Kind::end: {
        auto element = std::move(open.back());
        open.pop_back();
        (open.empty() ? root : open.back().children.emplace_back()) = std::move(element);
        break;
      }
      case XmlReader::Kind::done:
        return root;
    }
  }
}

std::string xml_escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace sluice::net
