#include "suites.hpp"

namespace lectern::validate {

const std::vector<Test>& all_tests() {
  static const std::vector<Test> all = [] {
    std::vector<Test> made;
    for (auto* suite : {&static_suite, &load_suite, &object_suite, &policy_suite, &format_suite, &transport_suite,
                        &presence_suite, &runtime_suite}) {
      for (auto& test : suite()) made.push_back(std::move(test));
    }
    return made;
  }();
  return all;
}

}  // namespace lectern::validate
