#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace portraitseg {

/// A table before it gets the form of some file.
struct TextTable {
  std::string title;
  std::vector<std::vector<std::string>> rows;  ///< the first one is the head; at least that
  std::size_t left = 1;  ///< columns of text; the others hold figures and stand to the right
};

/// For a terminal; without the title.
std::string aligned_table(const std::vector<std::vector<std::string>>& rows, std::size_t left);

std::string markdown_table(const TextTable& table);

/// A float of LaTeX with the title as its caption; needs the package booktabs.
std::string tex_table(const TextTable& table);

}  // namespace portraitseg
