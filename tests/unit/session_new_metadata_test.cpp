// Kernel and environment of a new notebook, for each package manager.
#include "session/new_metadata.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"
#include "session/dependencies.hpp"

namespace lectern::session {
namespace {

const runtime::KernelInfo python{"jupyter/python3", "jupyter", "python3", "Python 3", "python", ""};
const runtime::KernelInfo deno{"jupyter/deno", "jupyter", "deno", "Deno", "typescript", ""};

json::Value made(const runtime::KernelInfo& kernel, const std::string& manager,
                 std::vector<std::string> dependencies = {}) {
  CreateRequest request;
  request.package_manager = manager;
  request.dependencies = std::move(dependencies);
  const auto text = new_metadata(kernel, request);
  EXPECT_TRUE(text.has_value()) << text.error().message;
  return text ? *json::parse(*text) : json::Value();
}
std::string refused(const runtime::KernelInfo& kernel, const std::string& manager,
                    std::vector<std::string> dependencies = {}) {
  CreateRequest request;
  request.package_manager = manager;
  request.dependencies = std::move(dependencies);
  const auto text = new_metadata(kernel, request);
  return text ? "" : std::to_string(text.error().status) + " " + text.error().code;
}
std::string environment(const json::Value& metadata, const char* manager) {
  const auto* runt = metadata.find("runt");
  const auto* found = runt == nullptr ? nullptr : runt->find(manager);
  return found == nullptr ? "" : json::write(*found);
}

TEST(NewMetadataTest, NamesTheKernelAndNothingElseUnlessAsked) {
  const auto metadata = made(python, "");
  EXPECT_EQ(json::write(*metadata.find("kernelspec")),
            R"({"display_name":"Python 3","language":"python","name":"python3"})");
  EXPECT_EQ(json::write(*metadata.find("language_info")), R"({"name":"python"})");
  EXPECT_EQ(metadata.find("runt"), nullptr);
}

TEST(NewMetadataTest, EachManagerHasItsSection) {
  EXPECT_EQ(environment(made(python, "uv", {"numpy>=2"}), "uv"), R"({"dependencies":["numpy>=2"]})");
  EXPECT_EQ(environment(made(python, "pip"), "uv"), R"({"dependencies":[]})");
  EXPECT_EQ(environment(made(python, "", {"numpy"}), "uv"), R"({"dependencies":["numpy"]})");
  EXPECT_EQ(environment(made(python, "conda", {"numpy"}), "conda"),
            R"({"dependencies":["numpy"],"channels":["conda-forge"]})");
  EXPECT_EQ(environment(made(python, "mamba"), "conda"), R"({"dependencies":[],"channels":["conda-forge"]})");
  EXPECT_EQ(environment(made(python, "pixi", {"numpy"}), "pixi"),
            R"({"dependencies":["numpy"],"pypi_dependencies":[],"channels":["conda-forge"]})");
  EXPECT_EQ(environment(made(deno, ""), "deno"), R"({"permissions":[]})");
  EXPECT_EQ(environment(made(deno, "deno"), "deno"), R"({"permissions":[]})");
}

TEST(NewMetadataTest, EveryNotebookHasAnEnvironmentOfItsOwn) {
  const auto id = [] { return json::write(*made(python, "uv").find("runt")->find("env_id")); };
  EXPECT_NE(id(), id());
}

TEST(NewMetadataTest, WhatNobodyKnowsIsRefusedWithWhatIsKnown) {
  EXPECT_EQ(refused(python, "npm"), "400 unknown_package_manager");
  EXPECT_EQ(refused(python, "deno"), "400 unknown_package_manager");
  EXPECT_EQ(refused(deno, "uv"), "400 unknown_package_manager");
  EXPECT_EQ(refused(deno, "", {"numpy"}), "400 no_dependencies");
}

// Explicit dependencies are consent: what is written is what trust reads.
TEST(NewMetadataTest, TrustFindsTheSameDependencies) {
  CreateRequest request;
  request.package_manager = "conda";
  request.dependencies = {"Numpy >= 2"};
  const auto found = dependencies_of(*new_metadata(python, request));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0], "conda dependencies numpy");
}

}  // namespace
}  // namespace lectern::session
