// Prints what happens in a notebook, as it happens: watch NOTEBOOK [URL]
#include <iostream>

#include "lectern/client/client.hpp"

namespace client = lectern::client;

namespace {

// On the library's own thread: short, and without waiting for anything.
void tell(const client::Event& event) {
  if (event.op == "room-state") {
    const auto editor = event.data["editor"]["label"].text();
    std::cout << "editor: " << (editor.empty() ? "nobody" : editor) << std::endl;
  } else if (event.op == "cell-op") {
    std::cout << event.data["cell_id"].text() << ' ' << event.data["status"].text() << std::endl;
  } else if (event.op == "notebook-document-transaction") {
    const auto by = event.data["transaction"]["by"]["label"].text();
    std::cout << "edit by " << (by.empty() ? "somebody" : by) << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: watch NOTEBOOK [URL]\n";
    return 2;
  }
  client::Options options;
  options.label = "watch";
  options.view_only = true;
  if (argc > 2) options.url = argv[2];
  auto notebook = client::connect_open(argv[1], options);
  if (!notebook) {
    std::cerr << notebook.error().text() << '\n';
    return 1;
  }
  std::cout << notebook->info().path << ": " << notebook->cells().size() << " cells" << std::endl;
  const auto hearing = notebook->subscribe(tell);
  const auto over = notebook->wait_for([](const client::View&) { return false; });
  std::cerr << over.error().text() << '\n';
}
