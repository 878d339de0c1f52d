// Of a kernel that was taken up: which models an earlier host wrote down of it, and which it has beyond those, until it
// has said so itself. Everything [reactor].
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lectern::runtime {

class TakenUpModels {
 public:
  /// It was taken up: it is to be asked.
  void begin();
  /// A model is in the store as it was written down; `ask` = its kernel may have set it to something else meanwhile.
  void brought_back(const std::string& id, bool ask);
  /// One of which the maker alone was written down: a run of that cell. Its values come when the kernel is asked.
  void made_by(const std::string& id, std::uint64_t execution, const std::string& cell_id);
  /// The kernel can be asked now. Nothing when it was, or need not be; else the models whose states are asked for.
  std::optional<std::vector<std::string>> to_ask();
  /// It cannot be asked which comms it has.
  void cannot_say() { unanswered_ = false; }
  /// The kernel opened or closed it, so nothing that it says later makes it gone or found.
  void heard_of(std::string_view id);

  struct Difference {
    std::vector<std::string> gone;   // from the kernel, and written down
    std::vector<std::string> found;  // there, and not in the store: awaited from now on
    bool too_many = false;           // there are more than a store takes, and `found` lacks those
  };
  /// It says which comms it has: their ids and targets, in order. `has` = the store has it.
  Difference compare(const std::vector<std::pair<std::string, std::string>>& comms,
                     const std::function<bool(const std::string&)>& has);
  /// Its state, when it comes, opens it.
  [[nodiscard]] bool awaited(std::string_view id) const { return awaited_.contains(id); }
  /// It has said what it has, or cannot, and all of that is in the store.
  [[nodiscard]] bool settled() const { return !unanswered_ && awaited_.empty(); }
  /// It has said it, or no earlier host had any of them: no model is unknown.
  [[nodiscard]] bool all_known() const { return !unsaid_ && awaited_.empty(); }
  /// The cell of a run of which made_by() told; null for any other.
  [[nodiscard]] const std::string* cell_of_run(std::uint64_t execution) const;
  /// The kernel is gone.
  void forget();

 private:
  bool ask_ = false, unanswered_ = false, unsaid_ = false;
  std::vector<std::string> to_ask_;
  std::set<std::string, std::less<>> brought_back_, awaited_;
  std::map<std::uint64_t, std::string> cells_;  // by their runs
};

}  // namespace lectern::runtime
