// Rows of a table: checking indices, looking rows up, adding them together, reducing bags of them.

extern "C" __global__ void check_indices(const i64* ids, i64 n, i64 low, i64 size, i64 op, Mistake* slot, int* raised) {
  i64 stride = static_cast<i64>(gridDim.x) * blockDim.x;
  for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += stride)
    if (ids[i] < low || ids[i] >= size) note_mistake(slot, raised, op, ids[i], i);
}

// A row is moved in the largest pieces that its length and address allow, whatever they hold.
struct __align__(16) Bytes16 {
  u64 low, high;
};

// weight (size, width), ids (n,) -> out (n, width), all of pieces. Threads (x: pieces, y: rows).
template <class Piece>
__device__ void take(const Piece* weight, const i64* ids, Piece* out, i64 n, i64 width, i64 size) {
  i64 stride = static_cast<i64>(gridDim.x) * blockDim.y;
  for (i64 row = static_cast<i64>(blockIdx.x) * blockDim.y + threadIdx.y; row < n; row += stride) {
    const Piece* from = weight + clamp(ids[row], size) * width;
    for (i64 column = threadIdx.x; column < width; column += blockDim.x) out[row * width + column] = from[column];
  }
}

#define TAKE_ROWS(bytes, Piece)                                                                    \
  extern "C" __global__ void take_rows_##bytes(const Piece* weight, const i64* ids, Piece* out,    \
                                               i64 n, i64 width, i64 size) {                       \
    take(weight, ids, out, n, width, size);                                                        \
  }

TAKE_ROWS(1, unsigned char)
TAKE_ROWS(2, unsigned short)
TAKE_ROWS(4, unsigned)
TAKE_ROWS(8, u64)
TAKE_ROWS(16, Bytes16)

// ---------------------------------------------------------------- sums of rows with equal keys
//
// See runs.cuh. A run's sum goes to the row of out (size, width) that its key names, or, if `in_place`, to that of one of
// its entries. With a factor that is not zero the sums times the factor are added to what `out` holds.
struct Sums {
  const i64* keys;
  T* out;
  i64 width;
  i64 size;
  double factor;
  i64 in_place;

  struct Row {
    T* to;
    double factor;

    __device__ void put_sum(i64 column, A total) const {
      put(to + column, factor == 0 ? total : get(to + column) + static_cast<A>(factor) * total);
    }
    __device__ void close() const {}
  };

  __device__ Row row(i64 entry) const { return {out + (in_place ? entry : clamp(keys[entry], size)) * width, factor}; }
};

// One block a piece.
extern "C" __global__ void __launch_bounds__(32 * WARPS) sum_runs(const i64* keys, const i64* order, const T* rows,
                                                                  A* parts, int* arrived, T* out, i64 n, i64 width,
                                                                  i64 size, double factor, i64 in_place) {
  sum_piece(Runs{keys, order, rows, parts, arrived, n, width}, blockIdx.x, Sums{keys, out, width, size, factor, in_place});
}

// factor * rows (n, width) added to out (size, width) at ids (n,), in whichever order the threads come. Threads
// (x: columns, y: rows).
extern "C" __global__ void add_rows_atomic(const i64* ids, const T* rows, A* out, i64 n, i64 width, i64 size,
                                           double factor) {
  i64 stride = static_cast<i64>(gridDim.x) * blockDim.y;
  for (i64 row = static_cast<i64>(blockIdx.x) * blockDim.y + threadIdx.y; row < n; row += stride) {
    A* to = out + clamp(ids[row], size) * width;
    for (i64 column = threadIdx.x; column < width; column += blockDim.x)
      atomicAdd(to + column, static_cast<A>(factor) * get(rows + row * width + column));
  }
}

// ---------------------------------------------------------------- bags
//
// Bag b is ids[offsets[b]] to ids[offsets[b + 1]], the last one ends at n. Entries equal to `padding` do not count. Offsets
// that are wrong, which the host learns later, must not lead outside.

const i64 MEAN = 1, MAX = 2;

__device__ inline i64 start_of_bag(const i64* offsets, i64 bag, i64 bags, i64 n) {
  return bag < bags ? clamp(offsets[bag], n + 1) : n;
}

// weight (size, width) -> out (bags, width) and, for maxima, winners (bags, width): the entry, or -1 in an empty bag.
// factors (n,) or null. Threads (x: columns, y: bags).
extern "C" __global__ void embedding_bag(const T* weight, const i64* ids, const i64* offsets, const T* factors, T* out,
                                         i64* winners, i64 n, i64 bags, i64 width, i64 size, i64 padding, i64 mode) {
  i64 bag = static_cast<i64>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (bag >= bags) return;
  i64 begin = start_of_bag(offsets, bag, bags, n), end = start_of_bag(offsets, bag + 1, bags, n);
  for (i64 column = threadIdx.x; column < width; column += blockDim.x) {
    A result = 0;
    i64 count = 0, winner = -1;
    for (i64 entry = begin; entry < end; ++entry) {
      if (ids[entry] == padding) continue;
      A x = get(weight + clamp(ids[entry], size) * width + column);
      ++count;
      if (mode != MAX) {
        result += factors ? x * get(factors + entry) : x;
      } else if (winner < 0 || x > result || (x != x && result == result)) {
        result = x;
        winner = entry;
      }
    }
    if (mode == MEAN && count) result /= static_cast<A>(count);
    put(out + bag * width + column, result);
    if (winners) winners[bag * width + column] = winner;
  }
}

// For each entry its bag, and its share of it: zero where it does not count. One warp a bag.
extern "C" __global__ void bag_entries(const i64* ids, const i64* offsets, i64* bag_of, A* shares, i64 n, i64 bags,
                                       i64 padding, i64 mode) {
  i64 bag = static_cast<i64>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (bag >= bags) return;
  i64 begin = start_of_bag(offsets, bag, bags, n), end = start_of_bag(offsets, bag + 1, bags, n);
  A count = 0;
  for (i64 entry = begin + threadIdx.x; entry < end; entry += 32) count += ids[entry] != padding;
  count = over_warp<Sum>(count);
  A share = mode == MEAN ? 1 / (count > 0 ? count : A(1)) : A(1);
  for (i64 entry = begin + threadIdx.x; entry < end; entry += 32) {
    bag_of[entry] = bag;
    shares[entry] = ids[entry] != padding ? share : A(0);
  }
}

// rows (n, width): the gradient of each entry's row, from its bag's g (bags, width). factors (n,) or null; winners
// (bags, width) for maxima, else null. Threads (x: columns, y: entries).
extern "C" __global__ void bag_rows_backward(const i64* bag_of, const A* shares, const T* factors, const i64* winners,
                                             const T* g, T* rows, i64 n, i64 width) {
  i64 entry = static_cast<i64>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (entry >= n) return;
  A share = shares[entry];
  for (i64 column = threadIdx.x; column < width; column += blockDim.x) {
    i64 place = bag_of[entry] * width + column;
    bool counts = winners ? winners[place] == entry : share != 0;
    A factor = factors ? share * get(factors + entry) : share;
    put(rows + entry * width + column, counts ? factor * get(g + place) : A(0));
  }
}

// out (n,): the product of each entry's row and its bag's gradient g (bags, width), times its share. One warp an entry.
extern "C" __global__ void bag_factors_backward(const T* weight, const i64* ids, const i64* bag_of, const A* shares,
                                                const T* g, T* out, i64 n, i64 width, i64 size) {
  i64 entry = static_cast<i64>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (entry >= n) return;
  const T* row = weight + clamp(ids[entry], size) * width;
  const T* slope = g + bag_of[entry] * width;
  A total = 0;
  for (i64 column = threadIdx.x; column < width; column += 32) total += get(row + column) * get(slope + column);
  total = over_warp<Sum>(total);
  if (threadIdx.x == 0) put(out + entry, shares[entry] == 0 ? A(0) : total * shares[entry]);
}
