// A stable sort of keys, for captured steps: nothing but kernels, of a number that n alone decides.
//
// First each block sorts a tile, then runs twice as long are merged from two until one is left. A key finds its place by
// counting, or searching for, the keys that come before it, so that no thread waits for another's (Satish, Harris, Garland:
// Designing efficient sorting algorithms for manycore GPUs, IPDPS 2009).

const int TILE = 256;

// keys (n,) -> sorted (n,) and order (n,), the places that the keys had. One block a tile.
extern "C" __global__ void __launch_bounds__(TILE) sort_tiles(const i64* keys, i64* sorted, i64* order, i64 n) {
  __shared__ i64 tile[TILE];
  i64 first = static_cast<i64>(blockIdx.x) * TILE;
  int me = threadIdx.x, count = static_cast<int>(n - first < TILE ? n - first : TILE);
  if (me < count) tile[me] = keys[first + me];
  __syncthreads();
  if (me >= count) return;
  int before = 0;
  for (int other = 0; other < count; ++other) before += tile[other] < tile[me] || (tile[other] == tile[me] && other < me);
  sorted[first + before] = tile[me];
  order[first + before] = first + me;
}

// keys and order (n,), sorted in runs of `length`, -> merged, merged_order (n,), in runs twice as long.
extern "C" __global__ void merge_runs(const i64* keys, const i64* order, i64* merged, i64* merged_order, i64 n,
                                      i64 length) {
  i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= n) return;
  i64 start = i / (2 * length) * 2 * length, middle = start + length < n ? start + length : n;
  bool second = i >= middle;
  i64 low = second ? start : middle, high = second ? middle : (middle + length < n ? middle + length : n);
  while (low < high) {
    i64 probe = (low + high) / 2;
    if (keys[probe] < keys[i] || (second && keys[probe] == keys[i])) low = probe + 1;
    else high = probe;
  }
  // Of the other run the keys before `low` come first, which begins at `middle`, or ends there.
  i64 place = i + low - middle;
  merged[place] = keys[i];
  merged_order[place] = order[i];
}
