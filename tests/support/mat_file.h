#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <matio.h>

namespace portraitseg::testing {

/// Writes a MAT v5 file with one matrix; `values` row by row.
template <class T>
void write_mat(const std::filesystem::path& file, const std::string& variable, matio_classes kind,
               matio_types type, const std::vector<T>& values, std::size_t rows) {
  const std::size_t columns = values.size() / rows;
  std::vector<T> by_column;
  for (std::size_t x = 0; x < columns; ++x) {
    for (std::size_t y = 0; y < rows; ++y) by_column.push_back(values[y * columns + x]);
  }
  std::size_t dims[2] = {rows, columns};
  mat_t* mat = Mat_CreateVer(file.c_str(), nullptr, MAT_FT_MAT5);
  matvar_t* matrix = Mat_VarCreate(variable.c_str(), kind, type, 2, dims, by_column.data(), 0);
  Mat_VarWrite(mat, matrix, MAT_COMPRESSION_ZLIB);
  Mat_VarFree(matrix);
  Mat_Close(mat);
}

}  // namespace portraitseg::testing
