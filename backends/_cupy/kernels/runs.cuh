// Sums of the rows of entries with equal keys, for kernels that differ in what becomes of a sum.
//
// Entries come sorted by key; those with negative keys are left out. Runs of equal keys are cut at multiples of PIECE, so
// that a key which comes very often does not keep one warp busy while all others wait. A block adds up what its piece has
// of each run. Where a run goes on beyond a piece, the last of its blocks to get there adds up what all have found: no
// block waits for another, and the order of addition depends on the keys alone, so results are the same each time.
//
// What becomes of a sum is a Goal: row(entry), told an entry of a run, gives something that takes the run's sums by
// column, put_sum(column, total), and is told by one thread when all have been put, close().

const int PIECE = 32;
const int WARPS = 16;

struct Runs {
  const i64* keys;
  const i64* order;  // the entries' places in `rows`
  const T* rows;
  A* parts;      // (2 * pieces, width): what a piece has of the run that comes from the piece before, then of the one it begins
  int* arrived;  // (pieces,), zeros: how many blocks have found their part of the run that begins here and goes on beyond
  i64 n;
  i64 width;

  __device__ A sum(i64 begin, i64 end, i64 column) const {
    A total = 0;
    for (i64 i = begin; i < end; ++i) total += get(rows + order[i] * width + column);
    return total;
  }

  // Whether entry i, the first of a piece, is of the run of the entry before.
  __device__ bool goes_on(i64 i) const { return 0 < i && i < n && keys[i] >= 0 && keys[i - 1] == keys[i]; }

  // The first and the last piece that a run has entries in, which goes on from the piece before into `piece`.
  __device__ i64 first_piece(i64 piece) const {
    i64 key = keys[piece * PIECE], low = 1, high = piece;
    while (low < high) {
      i64 middle = (low + high) / 2;
      if (keys[middle * PIECE - 1] < key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
  __device__ i64 last_piece(i64 piece) const {
    i64 key = keys[piece * PIECE], low = piece, high = (n - 1) / PIECE;
    while (low < high) {
      i64 middle = (low + high + 1) / 2;
      if (keys[middle * PIECE] > key) high = middle - 1;
      else low = middle;
    }
    return low;
  }
};

// To be called by every thread of a block that has put its part of a run into `parts`; the run goes on into `piece`.
template <class Goal>
__device__ inline void join_parts(const Runs& runs, i64 piece, const Goal& goal) {
  __shared__ i64 ends[2];
  __shared__ bool last;
  __shared__ A sums[WARPS][33];
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y < 2) ends[threadIdx.y] = threadIdx.y ? runs.last_piece(piece) : runs.first_piece(piece);
  __syncthreads();
  i64 first = ends[0], end = ends[1] + 1;
  if (threadIdx.x == 0 && threadIdx.y == 0) last = atomicAdd(runs.arrived + first, 1) == end - first - 1;
  __syncthreads();
  if (!last) return;
  __threadfence();
  auto row = goal.row((first + 1) * PIECE);
  for (i64 start = 0; start < runs.width; start += 32) {
    i64 column = start + threadIdx.x;
    A total = 0;
    if (column < runs.width)
      for (i64 i = first + threadIdx.y; i < end; i += WARPS)
        total += get_fresh(runs.parts + (2 * i + (i == first)) * runs.width + column);
    sums[threadIdx.y][threadIdx.x] = total;
    __syncthreads();
    if (threadIdx.y == 0 && column < runs.width) {
      for (int y = 1; y < WARPS; ++y) total += sums[y][threadIdx.x];
      row.put_sum(column, total);
    }
    __syncthreads();
  }
  if (threadIdx.x == 0 && threadIdx.y == 0) row.close();
}

// Sums the runs of one piece. Threads (x: 32 columns at a time, y: WARPS entries at a time), all of which must call.
template <class Goal>
__device__ inline void sum_piece(const Runs& runs, i64 piece, const Goal& goal) {
  const i64* keys = runs.keys;
  i64 first = piece * PIECE, limit = first + PIECE < runs.n ? first + PIECE : runs.n;
  for (i64 begin = first + threadIdx.y; begin < limit; begin += WARPS) {
    bool head = begin == 0 || keys[begin - 1] != keys[begin];
    if (keys[begin] < 0 || !(head || begin == first)) continue;
    i64 end = begin + 1;
    while (end < limit && keys[end] == keys[begin]) ++end;
    if (!head || (end == limit && runs.goes_on(end))) {
      A* part = runs.parts + (2 * piece + head) * runs.width;
      for (i64 column = threadIdx.x; column < runs.width; column += 32) part[column] = runs.sum(begin, end, column);
    } else {
      auto row = goal.row(begin);
      for (i64 column = threadIdx.x; column < runs.width; column += 32) row.put_sum(column, runs.sum(begin, end, column));
      __syncwarp();
      if (threadIdx.x == 0) row.close();
    }
  }
  bool before = runs.goes_on(first);
  if (before) join_parts(runs, piece, goal);
  if (runs.goes_on(limit) && !(before && keys[limit] == keys[first])) join_parts(runs, piece + 1, goal);
}
