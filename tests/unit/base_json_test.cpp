#include "base/json.hpp"

#include <gtest/gtest.h>

namespace json = lectern::json;

TEST(Json, NumbersKeepTheirText) {
  const auto value = json::parse("[1.10,12345678901234567890123,1e2,-0]");
  ASSERT_TRUE(value);
  EXPECT_EQ(json::write(*value), "[1.10,12345678901234567890123,1e2,-0]");
}

TEST(Json, RefusesWhatTheGuardForbids) {
  EXPECT_EQ(json::parse("{\"a\":1,\"a\":2}").error().code, "malformed_json");
  EXPECT_EQ(json::parse("{} x").error().code, "malformed_json");
  EXPECT_EQ(json::parse(std::string("{}\0\0x", 5)).error().code, "malformed_json");
  EXPECT_EQ(json::parse("\"\\udc00\"").error().code, "malformed_json");
  EXPECT_EQ(json::parse("\"\xff\"").error().code, "malformed_json");
  EXPECT_EQ(json::parse(std::string(100000, '[')).error().code, "malformed_json");
  EXPECT_EQ(json::parse("").error().code, "malformed_json");
  json::Limits small;
  small.bytes = 4;
  EXPECT_EQ(json::parse("[1,2,3]", small).error().status, 413);
  small = {};
  small.nodes = 2;
  EXPECT_EQ(json::parse("[1,2,3]", small).error().code, "too_large");
}

TEST(Json, NamesThePlaceOfAnError) {
  const auto value = json::parse("{\n  \"a\": tru\n}");
  ASSERT_FALSE(value);
  EXPECT_NE(value.error().message.find("line 2"), std::string::npos) << value.error().message;
}

TEST(Json, NamesAMemberThatIsNotKnown) {
  const auto value = json::parse(R"({"scope":"view","session":"x"})");
  const json::Fields fields(*value, "body");
  EXPECT_TRUE(fields.only({"scope", "session"}));
  const auto refused = fields.only({"scope", "session_id"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 400);
  EXPECT_EQ(refused.error().message, "body.session is not known here.");
  EXPECT_EQ(refused.error().hint, "Did you mean body.session_id?");
  EXPECT_EQ(json::Fields(*json::parse("[]"), "body").only({}).error().status, 400);
}

TEST(Json, StringOrEmptyTakesStringsAlone) {
  const auto value = json::parse(R"({"a":"text","b":1,"c":null})");
  EXPECT_EQ(json::string_or_empty(*value, "a"), "text");
  for (const auto* key : {"b", "c", "d"}) EXPECT_EQ(json::string_or_empty(*value, key), "") << key;
  EXPECT_EQ(json::string_or_empty(*json::parse("[]"), "a"), "");
}

TEST(Json, WriterMakesWhatParseReads) {
  std::string out;
  json::Writer w(out);
  w.begin_object().member("op", "x").member("seq", std::uint64_t{7}).key("list").begin_array().integer(1).null();
  w.begin_object().end_object().end_array().member("text", "a\"\\\n\x01").end_object();
  EXPECT_EQ(out, "{\"op\":\"x\",\"seq\":7,\"list\":[1,null,{}],\"text\":\"a\\\"\\\\\\n\\u0001\"}");
  EXPECT_TRUE(json::parse(out));
}

TEST(Json, FieldsNameThePath) {
  const auto value = json::parse(R"({"cell_id":5,"n":3})");
  const json::Fields fields(*value, "body.changes[2]");
  EXPECT_EQ(fields.string("cell_id").error().message, "body.changes[2].cell_id must be a string, got number.");
  EXPECT_EQ(fields.string("gone").error().message, "body.changes[2].gone is missing.");
  EXPECT_EQ(fields.unsigned_integer("n").value(), 3u);
}
