#include "net/xml.h"

#include <gtest/gtest.h>

#include "net/test_expect.h"

namespace sluice::net {
namespace {

TEST(Xml, AnAnswerIsReadWithItsText) {
  auto root = value_of(
      parse_xml("<?xml version=\"1.0\"?>\n<!-- c --><a:List xmlns:a='x' b=\"1\">\n <Key>x &amp; y&#x20;&#252;</Key>"
                "<Key><![CDATA[<2>]]>&lt;</Key><Empty/><Nested><V>1</V></Nested></a:List>\n"));
  EXPECT_EQ(root.name, "List");
  ASSERT_EQ(root.children.size(), 4U);
  EXPECT_EQ(root.children[0].text, "x & y ü");
  EXPECT_EQ(root.children[1].text, "<2><");
  EXPECT_EQ(root.child_text("Empty"), "");
  EXPECT_EQ(root.child("Nested")->child_text("V"), "1");
  EXPECT_EQ(root.child("Missing"), nullptr);
}

TEST(Xml, ControlCharactersInKeysComeThroughAsReferences) {
  EXPECT_EQ(value_of(parse_xml("<k>a&#x1;b&#13;</k>")).text,
            "a\x01"
            "b\r");
}

TEST(Xml, WhatIsNotWellFormedIsRefused) {
  for (const char* text : {"",
                           "  ",
                           "text",
                           "<a>",
                           "<a></b>",
                           "<a/><b/>",
                           "<a/>x",
                           "<a b></a>",
                           "<a b=c/>",
                           "<a b='<'/>",
                           "<a>&nbsp;</a>",
                           "<a>&#0;</a>",
                           "<a>&#xD800;</a>",
                           "<a>&#x110000;</a>",
                           "<a>&",
                           "<a><![CDATA[x",
                           "<!DOCTYPE a><a/>",
                           "<a><!-- ",
                           "<",
                           "</a>",
                           "<a",
                           "<a b='1'c='2'/>",
                           "<?xml"}) {
    expect_error(parse_xml(text), Fault::transient, "not well-formed");
  }
}

TEST(Xml, DepthIsBounded) {
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "<a>";
  expect_error(parse_xml(deep), Fault::transient, "deep");
}

TEST(Xml, EscapedTextReadsBack) {
  EXPECT_EQ(value_of(parse_xml("<a>" + xml_escape("<\"&'>") + "</a>")).text, "<\"&'>");
}

}  // namespace
}  // namespace sluice::net
