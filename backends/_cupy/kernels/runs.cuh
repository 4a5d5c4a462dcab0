// Sums of the rows of entries with equal keys, for kernels that differ in what becomes of a sum.
//
// Entries come sorted by key; those with negative keys are left out. The row of entry e is rows[source ? source[e] : e],
// times factors[e] if given, and zero in columns whose winner is another entry if winners are given. Runs of equal keys
// are cut at multiples of PIECE, so that a key which comes very often does not keep one warp busy while all others wait.
// Order of addition depends on the keys alone: results are the same each time.
//
// What becomes of a sum is a Goal: open(entry) is told where a run begins, row(entry) gives something that takes the
// sums of a run by column, put_sum(column, total), and is told by one thread when all have been put, close().

const int PIECE = 64;

struct Entries {
  const i64* keys;
  const i64* order;
  const i64* source;
  const A* factors;
  const i64* winners;
  const T* rows;
  i64 n;
  i64 width;

  __device__ bool begins(i64 i) const { return i == 0 || keys[i - 1] != keys[i]; }

  __device__ A value(i64 i, i64 column) const {
    i64 entry = order[i];
    i64 place = (source ? source[entry] : entry) * width + column;
    if (winners && winners[place] != entry) return 0;
    A x = get(rows + place);
    return factors ? x * factors[entry] : x;
  }
};

// parts (2 * pieces, width): sums of what a run has in a piece, where the run goes on beyond it; first of the run that
// comes from the piece before, then of the one that begins here. One warp an entry: threads (32 columns at a time, y).
template <class Goal>
__device__ inline void sum_pieces(const Entries& entries, const Goal& goal, A* parts) {
  const i64* keys = entries.keys;
  i64 n = entries.n, width = entries.width, begin = static_cast<i64>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (begin >= n || keys[begin] < 0) return;
  bool head = entries.begins(begin);
  if (!head && begin % PIECE) return;
  i64 piece = begin / PIECE, limit = (piece + 1) * PIECE < n ? (piece + 1) * PIECE : n, end = begin + 1;
  while (end < limit && keys[end] == keys[begin]) ++end;
  if (head && threadIdx.x == 0) goal.open(begin);
  if (!head || (end < n && keys[end] == keys[begin])) {
    for (i64 column = threadIdx.x; column < width; column += 32) {
      A total = 0;
      for (i64 i = begin; i < end; ++i) total += entries.value(i, column);
      parts[(2 * piece + head) * width + column] = total;
    }
    return;
  }
  auto row = goal.row(begin);
  for (i64 column = threadIdx.x; column < width; column += 32) {
    A total = 0;
    for (i64 i = begin; i < end; ++i) total += entries.value(i, column);
    row.put_sum(column, total);
  }
  __syncwarp();
  if (threadIdx.x == 0) row.close();
}

// Adds up the parts of each run that goes on beyond its piece; one block a piece, threads (32 columns, y: parts).
template <class Goal>
__device__ inline void join_pieces(const i64* keys, const A* parts, i64 n, i64 width, const Goal& goal) {
  __shared__ A sums[32][33];
  i64 piece = blockIdx.x, next = (piece + 1) * PIECE;
  if (next >= n) return;
  i64 key = keys[next], first = piece * PIECE;
  bool begins_here = keys[first] != key || first == 0 || keys[first - 1] != key;
  if (key < 0 || keys[next - 1] != key || !begins_here) return;
  i64 end = piece + 1;
  while (end * PIECE < n && keys[end * PIECE] == key) ++end;
  auto row = goal.row(next);
  for (i64 start = 0; start < width; start += 32) {
    i64 column = start + threadIdx.x;
    A total = 0;
    if (column < width)
      for (i64 i = piece + threadIdx.y; i < end; i += blockDim.y) total += parts[(2 * i + (i == piece)) * width + column];
    sums[threadIdx.y][threadIdx.x] = total;
    __syncthreads();
    if (threadIdx.y == 0 && column < width) {
      for (int y = 1; y < blockDim.y; ++y) total += sums[y][threadIdx.x];
      row.put_sum(column, total);
    }
    __syncthreads();
  }
  if (threadIdx.y == 0 && threadIdx.x == 0) row.close();
}
