// A host in small for the crash matrix: the real store, journal, ledger, document and save, driven through a fixed
// script by one thread; what it acknowledges it writes to a pipe. And the check of what a crash left.
#pragma once

#include <string>
#include <vector>

#include "little_outputs.hpp"

namespace lectern::crash {

/// What is in the tested folder: `<base>/root/a.ipynb` and `<base>/state`.
struct Place {
  std::string base;
  LogUse log{};
  [[nodiscard]] std::string root() const { return base + "/root"; }
  [[nodiscard]] std::string notebook() const { return base + "/root/a.ipynb"; }
  [[nodiscard]] std::string state() const { return base + "/state"; }
};

/// The source of the cell `m<number>`: long, and unlike that of any other.
std::string source_of(int number);
inline constexpr const char* ballast_id = "ballast";
std::string ballast();

/// Lives one life: opens, edits, saves, compacts. `first` is the number of the first cell it makes. Lines on `tell`:
/// "try <n>" and "edit <n>" (acknowledged) for cells, "saved <n>" (the cells up to n are in the file), "heavy" (a save
/// with the ballast was acknowledged), "epochs <n>" (up to n may have been given), "client <id>", "id <notebook id>",
/// "end" (the script is through), and of
/// outputs what ToldOutputs reads.
void live(const Place& place, int first, int tell);

/// What was told, over all lives.
struct Told {
  int tried = -1;  ///< the highest cell number tried
  std::vector<int> edits;
  int saved = -1;
  bool heavy = false;
  unsigned long long epochs = 0;
  std::vector<std::string> clients;
  std::string id;
  ToldOutputs outputs;
  bool ended = false;
  bool failures = false;  ///< calls were made to fail
  void read(const std::string& lines);
};

/// Opens what is left, looks at all of it, goes on working with it. Empty = all is well; else what is wrong.
std::vector<std::string> check(const Place& place, const Told& told);

}  // namespace lectern::crash
