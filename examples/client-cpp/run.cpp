// Runs code in a notebook, visibly for everybody in it, and prints what it says: run NOTEBOOK CODE [URL]
#include <iostream>

#include "lectern/client/client.hpp"

namespace client = lectern::client;

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: run NOTEBOOK CODE [URL]\n";
    return 2;
  }
  client::Options options;
  options.label = "run";
  if (argc > 3) options.url = argv[3];
  auto notebook = client::connect_open(argv[1], options);
  if (!notebook) {
    std::cerr << notebook.error().text() << '\n';
    return 1;
  }
  // Where the policy asks whoever holds the pen, this waits for the answer.
  if (auto pen = notebook->takeover({"to run a cell", {}}); !pen) {
    std::cerr << pen.error().text() << '\n';
    return 1;
  }
  const auto run = notebook->run(argv[2]);
  if (!run) {
    std::cerr << run.error().text() << '\n';
    return 1;
  }
  std::cout << run->cell.text();
  return run->ok() ? 0 : 1;
}
