#include "app/qr.hpp"

#include <array>
#include <exception>
#include <qrcodegen/qrcodegen.hpp>

namespace lectern::app {
namespace {

constexpr std::size_t longest = 300;
constexpr int quiet = 2;  // readers want four modules of white around; terminals have lines and margins of their own
constexpr const char* black_on_white = "\x1b[30;107m";
constexpr const char* as_before = "\x1b[0m";

}  // namespace

std::string terminal_qr(const std::string& text) {
  if (text.size() > longest) return {};
  try {
    const auto code = qrcodegen::QrCode::encodeText(text.c_str(), qrcodegen::QrCode::Ecc::LOW);
    constexpr std::array<const char*, 4> halves = {" ", "▀", "▄", "█"};
    std::string out;
    for (int y = -quiet; y < code.getSize() + quiet; y += 2) {
      out += black_on_white;
      for (int x = -quiet; x < code.getSize() + quiet; ++x) {
        out += halves[(code.getModule(x, y) ? 1u : 0u) + (code.getModule(x, y + 1) ? 2u : 0u)];
      }
      out += as_before;
      out += '\n';
    }
    return out;
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace lectern::app
