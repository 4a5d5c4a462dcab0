// Products of matrices in any of two layouts, for captured steps, in which CuPy does not call cuBLAS.

const int TILE = 64, DEPTH = 16, EACH = 4;

// Where element (i, j) of matrix k is.
struct Matrices {
  const T* data;
  i64 row, column, each;

  __device__ A at(i64 k, i64 i, i64 j) const { return get(data + k * each + i * row + j * column); }
};

// Fills part[DEPTH][TILE] from `lines` on, beginning with term `start`; neighbours in memory go to neighbouring threads.
__device__ inline void load_part(A (*part)[TILE + 1], const Matrices& from, bool left, i64 k, i64 first, i64 lines,
                                 i64 start, i64 terms) {
  i64 term_stride = left ? from.column : from.row;
  for (int i = threadIdx.y * blockDim.x + threadIdx.x; i < TILE * DEPTH; i += blockDim.x * blockDim.y) {
    int d = term_stride == 1 ? i % DEPTH : i / TILE, line = term_stride == 1 ? i / DEPTH : i % TILE;
    bool inside = first + line < lines && start + d < terms;
    part[d][line] = !inside ? A(0) : left ? from.at(k, first + line, start + d) : from.at(k, start + d, first + line);
  }
}

// out (batch, rows, columns) = left (batch, rows, terms) times right (batch, terms, columns). A block makes a tile of
// 64 x 64, each of its 16 x 16 threads 4 x 4 of them.
extern "C" __global__ void __launch_bounds__(256)
    matmul(const T* left, const T* right, T* out, i64 rows, i64 columns, i64 terms, i64 left_row, i64 left_column,
           i64 left_each, i64 right_row, i64 right_column, i64 right_each) {
  __shared__ A lefts[DEPTH][TILE + 1];
  __shared__ A rights[DEPTH][TILE + 1];
  Matrices of_left = {left, left_row, left_column, left_each}, of_right = {right, right_row, right_column, right_each};
  i64 row = static_cast<i64>(blockIdx.x) * TILE, column = static_cast<i64>(blockIdx.y) * TILE, k = blockIdx.z;
  A total[EACH][EACH] = {};
  for (i64 start = 0; start < terms; start += DEPTH) {
    load_part(lefts, of_left, true, k, row, rows, start, terms);
    load_part(rights, of_right, false, k, column, columns, start, terms);
    __syncthreads();
    for (int d = 0; d < DEPTH; ++d) {
      A x[EACH], y[EACH];
      for (int i = 0; i < EACH; ++i) {
        x[i] = lefts[d][threadIdx.y + i * blockDim.y];
        y[i] = rights[d][threadIdx.x + i * blockDim.x];
      }
      for (int i = 0; i < EACH; ++i)
        for (int j = 0; j < EACH; ++j) total[i][j] += x[i] * y[j];
    }
    __syncthreads();
  }
  for (int i = 0; i < EACH; ++i)
    for (int j = 0; j < EACH; ++j) {
      i64 r = row + threadIdx.y + i * blockDim.y, c = column + threadIdx.x + j * blockDim.x;
      if (r < rows && c < columns) put(out + (k * rows + r) * columns + c, total[i][j]);
    }
}
