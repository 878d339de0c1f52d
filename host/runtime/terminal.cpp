#include "runtime/terminal.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace lectern::runtime {
namespace {

std::size_t glyph_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xE0) return 2;
  return lead < 0xF0 ? 3 : 4;
}

bool is_final(char c) {
  return c >= '@' && c <= '~';
}

bool is_reset(std::string_view sequence) {
  return sequence == "\x1b[m" || sequence == "\x1b[0m";
}

int first_number(std::string_view parameters, int fallback) {
  int value = 0;
  const auto [end, problem] = std::from_chars(parameters.data(), parameters.data() + parameters.size(), value);
  return problem != std::errc() || end == parameters.data() ? fallback : value;
}

}  // namespace

bool Terminal::write(std::string_view piece) {
  std::string joined;
  if (!incomplete_.empty()) {
    joined = std::exchange(incomplete_, {}).append(piece);
    piece = joined;
  }
  only_grew_ = true;
  std::size_t at = 0;
  while (at < piece.size()) {
    if (at_end_) {
      const auto special = std::min(piece.find_first_of("\r\b\x1b\a", at), piece.size());
      append(piece.substr(at, special - at));
      at = special;
      if (at == piece.size()) break;
    }
    const char c = piece[at];
    if (c == '\x1b') {
      const auto taken = escape(piece.substr(at));
      if (taken == 0) {
        incomplete_ = piece.substr(at);
        break;
      }
      at += taken;
      continue;
    }
    const auto length = std::min(glyph_length(static_cast<unsigned char>(c)), piece.size() - at);
    if (c == '\r') {
      // CR LF is a line end, not an edit.
      if (at + 1 < piece.size() && piece[at + 1] == '\n') {
        line_feed();
        at += 2;
        continue;
      }
      carriage_return();
    } else if (c == '\n') {
      line_feed();
    } else if (c == '\b') {
      leave_end();
      if (column_ > 0) --column_;
    } else if (c != '\a') {
      put(piece.substr(at, length));
    }
    at += length;
  }
  commit();
  return only_grew_;
}

void Terminal::append(std::string_view plain) {
  if (plain.empty()) return;
  const auto newline = plain.rfind('\n');
  if (newline != std::string_view::npos) row_start_ = text_.size() + newline + 1;
  text_.append(plain);
}

std::size_t Terminal::line_end() const {
  return std::min(text_.find('\n', row_start_), text_.size());
}

void Terminal::carriage_return() {
  if (text_.size() - row_start_ > max_edited_line && !loaded_) {
    text_.resize(row_start_);
    only_grew_ = false;
    at_end_ = true;
    return;
  }
  leave_end();
  column_ = 0;
}

/// From "behind everything" to a column that can be counted.
void Terminal::leave_end() {
  if (!at_end_) return;
  load();
  column_ = cells_.size();
  at_end_ = false;
}

void Terminal::line_feed() {
  commit();
  if (!at_end_) {
    const auto end = line_end();
    if (end < text_.size()) {
      row_start_ = end + 1;
      column_ = 0;
      return;
    }
  }
  at_end_ = true;
  append("\n");
}

void Terminal::move_rows(int rows) {
  leave_end();
  const auto column = column_;
  commit();
  at_end_ = false;
  for (; rows < 0 && row_start_ > 0; ++rows) {
    const auto before = row_start_ >= 2 ? text_.rfind('\n', row_start_ - 2) : std::string::npos;
    row_start_ = before == std::string::npos ? 0 : before + 1;
  }
  for (; rows > 0 && line_end() < text_.size(); --rows) row_start_ = line_end() + 1;
  column_ = column;
}

void Terminal::move_to_column(std::size_t column) {
  leave_end();
  column_ = std::min(column, max_edited_line);
}

void Terminal::erase_in_line(int mode) {
  if (at_end_ && mode == 0) return;
  leave_end();
  load();
  if (mode == 0) {
    if (column_ < cells_.size()) cells_.resize(column_);
  } else if (mode == 2) {
    cells_.clear();
  } else {
    for (std::size_t i = 0; i < std::min(column_ + 1, cells_.size()); ++i) cells_[i] = {" ", {}};
  }
}

void Terminal::erase_in_display(int mode) {
  if (mode == 0) {
    erase_in_line(0);
    commit();
    if (const auto end = line_end(); end < text_.size()) {
      text_.resize(end);
      only_grew_ = false;
    }
  } else if (mode == 2 || mode == 3) {
    cells_.clear();
    loaded_ = false;
    if (!text_.empty()) only_grew_ = false;
    text_.clear();
    row_start_ = 0;
    column_ = 0;
    at_end_ = true;
  }
}

void Terminal::control_sequence(std::string_view parameters, char command) {
  const int count = std::clamp(first_number(parameters, 1), 0, 100'000);
  switch (command) {
    case 'A':
      return move_rows(-std::max(count, 1));
    case 'B':
      return move_rows(std::max(count, 1));
    case 'C':
      leave_end();
      return move_to_column(column_ + static_cast<std::size_t>(std::max(count, 1)));
    case 'D':
      leave_end();
      return move_to_column(column_ - std::min(column_, static_cast<std::size_t>(std::max(count, 1))));
    case 'G':
      return move_to_column(static_cast<std::size_t>(std::max(count, 1) - 1));
    case 'H':
      commit();
      row_start_ = 0;
      at_end_ = text_.empty();
      column_ = 0;
      return;
    case 'J':
      return erase_in_display(first_number(parameters, 0));
    case 'K':
      return erase_in_line(first_number(parameters, 0));
    default:
      return;  // modes and queries of real terminals
  }
}

void Terminal::style(std::string_view sequence) {
  if (is_reset(sequence)) {
    style_.clear();
  } else if (style_.size() < 256) {
    style_.append(sequence);
  }
  if (at_end_) text_.append(sequence);
}

/// Carries out the sequence at the start of `rest`; gives its length, 0 when its end has not come yet.
std::size_t Terminal::escape(std::string_view rest) {
  constexpr std::size_t longest = 4096;
  if (rest.size() < 2) return 0;
  if (rest[1] == '[') {
    std::size_t end = 2;
    while (end < rest.size() && !is_final(rest[end])) ++end;
    if (end == rest.size()) return rest.size() < longest ? 0 : rest.size();
    if (rest[end] == 'm') {
      style(rest.substr(0, end + 1));
    } else {
      control_sequence(rest.substr(2, end - 2), rest[end]);
    }
    return end + 1;
  }
  if (rest[1] == ']') {  // titles and links: up to BEL or ESC backslash
    for (std::size_t end = 2; end < rest.size(); ++end) {
      if (rest[end] == '\a') return end + 1;
      if (rest[end] == '\x1b' && end + 1 < rest.size() && rest[end + 1] == '\\') return end + 2;
    }
    return rest.size() < longest ? 0 : rest.size();
  }
  return 2;
}

void Terminal::put(std::string_view glyph) {
  leave_end();
  load();
  if (column_ > max_edited_line) return;
  while (cells_.size() < column_) cells_.push_back({" ", {}});
  if (column_ == cells_.size()) {
    cells_.push_back({std::string(glyph), style_});
  } else {
    cells_[column_] = {std::string(glyph), style_};
  }
  ++column_;
}

void Terminal::load() {
  if (loaded_) return;
  loaded_ = true;
  cells_.clear();
  std::string in_force;
  const auto end = line_end();
  for (std::size_t at = row_start_; at < end;) {
    if (text_[at] == '\x1b') {  // only styles are ever stored
      auto final = at + 2;
      while (final < end && !is_final(text_[final])) ++final;
      const auto sequence = std::string_view(text_).substr(at, final + 1 - at);
      if (is_reset(sequence)) {
        in_force.clear();
      } else {
        in_force.append(sequence);
      }
      at = final + 1;
      continue;
    }
    const auto length = std::min(glyph_length(static_cast<unsigned char>(text_[at])), end - at);
    cells_.push_back({text_.substr(at, length), in_force});
    at += length;
  }
}

/// Writes the edited line back.
void Terminal::commit() {
  if (!loaded_) return;
  loaded_ = false;
  std::string line;
  const std::string* in_force = nullptr;
  static const std::string none;
  for (const auto& cell : cells_) {
    if (cell.style != (in_force == nullptr ? none : *in_force)) {
      if (in_force != nullptr && !in_force->empty()) line += "\x1b[0m";
      line += cell.style;
      in_force = &cell.style;
    }
    line += cell.glyph;
  }
  if (in_force != nullptr && !in_force->empty()) line += "\x1b[0m";
  const auto end = line_end();
  const auto old = std::string_view(text_).substr(row_start_, end - row_start_);
  const bool last = end == text_.size();
  if (line != old) {
    if (!last || !line.starts_with(old)) only_grew_ = false;
    text_.replace(row_start_, end - row_start_, line);
  }
  if (last && !at_end_ && column_ == cells_.size()) {
    at_end_ = true;
    text_ += style_;
  }
  cells_.clear();
}

}  // namespace lectern::runtime
