// The XML that web services answer with: elements, text, entities and CDATA. Attributes are checked and skipped; a
// document type (and with it any entity of its own) is refused.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::net {

// Walks a document front to back. Strict: what is not well-formed ends it with Fault::transient, since a service's cut
// or garbled answer may be whole the next time.
class XmlReader {
 public:
  enum class Kind { start, text, end, done };
  struct Token {
    Kind kind = Kind::done;
    std::string_view name;  // of start and end, with its namespace prefix
    std::string text;       // of text, decoded
  };

  explicit XmlReader(std::string_view document) : rest_(document), document_(document) {}
  Result<Token> next();

 private:
  Result<Token> read_markup();
  Result<Token> read_start();
  Result<Token> read_end();
  Result<void> skip_attributes(bool* empty);
  Result<void> skip_to(std::string_view end);
  Result<std::string> read_text();
  Error malformed(std::string_view what) const;

  std::string_view rest_;
  std::string_view document_;
  std::vector<std::string_view> open_;
  bool root_seen_ = false;
  bool pending_end_ = false;  // of an <empty/> element
};

struct XmlElement {
  std::string name;  // without namespace prefix
  std::string text;  // its own, all pieces together
  std::vector<XmlElement> children;

  [[nodiscard]] const XmlElement* child(std::string_view name) const;  // the first one, or null
  [[nodiscard]] std::string child_text(std::string_view name) const;   // empty when it is not there
};

// The root element with everything below it, at most 16 deep.
Result<XmlElement> parse_xml(std::string_view document);

// Text as it stands inside an element.
std::string xml_escape(std::string_view text);

}  // namespace sluice::net
