// What a terminal would show of a stream: carriage return, backspace, cursor moves and erasures are carried out;
// colours stay in the text as they came. Lines that scrolled away stay.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lectern::runtime {

class Terminal {
 public:
  /// A line longer than this is not edited in place: a carriage return starts it over.
  static constexpr std::size_t max_edited_line = 32u << 10;

  /// Takes a piece of the stream (whole code points). True when text() only grew at its end.
  bool write(std::string_view piece);
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  struct Cell {
    std::string glyph;
    std::string style;  // escape sequences in force
  };
  void put(std::string_view glyph);
  void append(std::string_view plain);
  void carriage_return();
  void line_feed();
  void move_rows(int rows);
  void move_to_column(std::size_t column);
  void erase_in_line(int mode);
  void erase_in_display(int mode);
  void control_sequence(std::string_view parameters, char command);
  void style(std::string_view sequence);
  std::size_t escape(std::string_view rest);
  void load();
  void commit();
  void leave_end();
  [[nodiscard]] std::size_t line_end() const;

  std::string text_;
  std::string incomplete_;     // an escape sequence whose end has not come yet
  std::string style_;          // in force for what comes next
  std::size_t row_start_ = 0;  // byte offset of the cursor's line
  std::size_t column_ = 0;     // only when not at_end_
  bool at_end_ = true;         // the cursor is behind everything: the common case
  std::vector<Cell> cells_;    // the cursor's line, when it is being edited
  bool loaded_ = false;
  bool only_grew_ = true;
};

}  // namespace lectern::runtime
