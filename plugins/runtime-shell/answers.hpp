// What is asked about a piece of code, answered from what the shell wrote down and from the file system: nothing is run
// for it, so a busy shell answers too. JSON as in Jupyter's messages.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace shell {

struct Facts {
  pid_t process = 0;      // whose folder it is; 0 = none
  std::string cwd;        // else this one
  std::string variables;  // "name='value'" lines
  const std::map<std::string, std::string, std::less<>>& functions;
};

std::string complete(std::string_view content, const Facts& facts);
std::string inspect(std::string_view content, const Facts& facts);
std::string history_reply(const std::vector<std::string>& cells);

}  // namespace shell
