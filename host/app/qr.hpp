// A QR code in a terminal.
#pragma once

#include <string>

namespace lectern::app {

/// [any] Lines of half blocks, two modules high each, black on white whatever the terminal's colours; empty when `text`
/// is too long for a terminal (300 bytes).
std::string terminal_qr(const std::string& text);

}  // namespace lectern::app
