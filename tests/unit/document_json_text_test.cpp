#include "document/json_text.hpp"

#include <gtest/gtest.h>

namespace lectern::document::json_text {
namespace {

using Path = std::vector<std::string>;

TEST(JsonText, ChangesOneValueAndNoOtherByte) {
  const std::string object = "{ \"a\" : 1.0 ,\n \"b\":{\"c\": [1, {\"x\":\"}\"}] , \"d\":2}, \"q\\\"\":\"\\\\\" }";
  EXPECT_EQ(with(object, Path{"a"}, "2"),
            "{ \"a\" : 2 ,\n \"b\":{\"c\": [1, {\"x\":\"}\"}] , \"d\":2}, \"q\\\"\":\"\\\\\" }");
  EXPECT_EQ(with(object, Path{"b", "d"}, "null"),
            "{ \"a\" : 1.0 ,\n \"b\":{\"c\": [1, {\"x\":\"}\"}] , \"d\":null}, \"q\\\"\":\"\\\\\" }");
  EXPECT_EQ(with(object, Path{"q\""}, "0"),
            "{ \"a\" : 1.0 ,\n \"b\":{\"c\": [1, {\"x\":\"}\"}] , \"d\":2}, \"q\\\"\":0 }");
  EXPECT_EQ(find(object, "b"), "{\"c\": [1, {\"x\":\"}\"}] , \"d\":2}");
  EXPECT_EQ(find(object, "none"), std::nullopt);
}

TEST(JsonText, AddsWhatIsMissing) {
  EXPECT_EQ(with("{}", Path{"a"}, "1"), R"({"a":1})");
  EXPECT_EQ(with(" { } ", Path{"a", "b"}, "1"), R"( {"a":{"b":1} } )");
  EXPECT_EQ(with(R"({"a":1})", Path{"b"}, "2"), R"({"a":1,"b":2})");
  EXPECT_EQ(with(R"({"a":1})", Path{"a", "b"}, "2"), R"({"a":{"b":2}})");
  EXPECT_EQ(with(R"({"a":{}})", Path{"a", "b\n", "c"}, "2"), R"({"a":{"b\n":{"c":2}}})");
}

TEST(JsonText, RemovesWithItsComma) {
  EXPECT_EQ(without(R"({"a":1, "b":2, "c":3})", Path{"a"}), R"({"b":2, "c":3})");
  EXPECT_EQ(without(R"({"a":1, "b":2, "c":3})", Path{"b"}), R"({"a":1, "c":3})");
  EXPECT_EQ(without(R"({"a":1, "b":2, "c":3})", Path{"c"}), R"({"a":1, "b":2})");
  EXPECT_EQ(without(R"({"a":1})", Path{"a"}), "{}");
  EXPECT_EQ(without(R"({"a":{"b":1}})", Path{"a", "b"}), R"({"a":{}})");
  EXPECT_EQ(without(R"({"a":1})", Path{"x"}), R"({"a":1})");
  EXPECT_EQ(without(R"({"a":1})", Path{"a", "b"}), R"({"a":1})");
}

TEST(JsonText, OfRepeatedKeysTheLastCounts) {
  EXPECT_EQ(find(R"({"a":1,"a":2})", "a"), "2");
  EXPECT_EQ(with(R"({"a":1,"a":2})", Path{"a"}, "3"), R"({"a":1,"a":3})");
  EXPECT_EQ(without(R"({"a":1,"b":0,"a":2})", Path{"a"}), R"({"b":0})");
}

}  // namespace
}  // namespace lectern::document::json_text
