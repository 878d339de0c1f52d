// The cells of one kernel: what each gives and reads, and so which run again when one has changed.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

class Sheet {
 public:
  /// `cell` has this code from now on, or is gone. The cells that read what it gave or gives, or read one of those, in
  /// an order in which each comes after what it reads; never `cell` itself.
  std::vector<std::string> set(const std::string& cell, std::string_view code);
  std::vector<std::string> forget(const std::string& cell);
  /// What its last line is; throws Wrong.
  double run(const std::string& cell);

 private:
  struct Cell {
    std::string code;
    std::set<std::string> gives, reads;
  };
  [[nodiscard]] std::vector<std::string> readers_of(const std::set<std::string>& names,
                                                    const std::string& but_not) const;
  void add_readers(const std::set<std::string>& names, std::set<std::string>& seen,
                   std::vector<std::string>& out) const;
  [[nodiscard]] double value_of(const std::string& name, const std::string& reader) const;

  std::map<std::string, Cell> cells_;
  std::map<std::string, double> values_;  // by name, of cells that ran well
};
