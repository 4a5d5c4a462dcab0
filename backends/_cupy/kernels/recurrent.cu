// Recurrent layers: one step at a time between matrix products, or a whole sequence in one launch.
//
// Shapes: T steps, N sequences, H units, G gates. The input's part of the gates is x_part (T, N, G * H). States are
// kept at their place in time: `states` has room for T + 1 of them, and the step at time t leads from place t to place
// t + 1, or from t + 1 to t in reverse. With room for 2 only (nothing is kept for the way back) places count modulo 2.

struct Sizes {
  i64 steps, batch, hidden, room;
  bool reverse;

  __device__ i64 time(i64 step) const { return reverse ? steps - 1 - step : step; }
  __device__ i64 before(i64 t) const { return (reverse ? t + 1 : t) % room; }
  __device__ i64 after(i64 t) const { return (reverse ? t : t + 1) % room; }
  __device__ i64 state(i64 place, i64 n, i64 j) const { return (place * batch + n) * hidden + j; }
  __device__ i64 gate(i64 t, i64 n, int gates, int k, i64 j) const {
    return ((t * batch + n) * gates + k) * hidden + j;
  }
};

// ---------------------------------------------------------------- cells
//
// forward: from the two affine maps' results for a unit, a (of the input) and b (of the state), the new h; c is the
// LSTM's other state. backward: from the gradient gh of the new h, the gradients ga and gb of a and b; returns what
// reaches the old h past b, and turns the gradient gc of the new c into that of the old one.

__device__ inline A sigmoid(A z) { return A(0.5) * tanh(A(0.5) * z) + A(0.5); }

const i64 TANH = 0, RELU = 1;  // else sigmoid

struct Rnn {
  static const int GATES = 1, KEPT = 0;

  static __device__ A forward(const A* a, const A* b, A h, A& c, A* kept, i64 nonlinearity) {
    A z = a[0] + b[0];
    return nonlinearity == TANH ? tanh(z) : nonlinearity == RELU ? (z > 0 || z != z ? z : A(0)) : sigmoid(z);
  }

  static __device__ A backward(const A* kept, A h, A y, A c_old, A c, A gh, A& gc, A* ga, A* gb, i64 nonlinearity) {
    A slope = nonlinearity == TANH ? 1 - y * y : nonlinearity == RELU ? A(y > 0) : y * (1 - y);
    ga[0] = gb[0] = gh * slope;
    return 0;
  }
};

struct Lstm {
  static const int GATES = 4, KEPT = 4;

  static __device__ A forward(const A* a, const A* b, A h, A& c, A* kept, i64) {
    A i = sigmoid(a[0] + b[0]), f = sigmoid(a[1] + b[1]), g = tanh(a[2] + b[2]), o = sigmoid(a[3] + b[3]);
    kept[0] = i, kept[1] = f, kept[2] = g, kept[3] = o;
    c = f * c + i * g;
    return o * tanh(c);
  }

  static __device__ A backward(const A* kept, A h, A y, A c_old, A c, A gh, A& gc, A* ga, A* gb, i64) {
    A i = kept[0], f = kept[1], g = kept[2], o = kept[3], s = tanh(c);
    gc += gh * o * (1 - s * s);
    gb[0] = gc * g * i * (1 - i);
    gb[1] = gc * c_old * f * (1 - f);
    gb[2] = gc * i * (1 - g * g);
    gb[3] = gh * s * o * (1 - o);
    for (int k = 0; k < GATES; ++k) ga[k] = gb[k];
    gc *= f;
    return 0;
  }
};

struct Gru {
  static const int GATES = 3, KEPT = 4;

  static __device__ A forward(const A* a, const A* b, A h, A& c, A* kept, i64) {
    A r = sigmoid(a[0] + b[0]), z = sigmoid(a[1] + b[1]), n = tanh(a[2] + r * b[2]);
    kept[0] = r, kept[1] = z, kept[2] = n, kept[3] = b[2];
    return n + z * (h - n);
  }

  static __device__ A backward(const A* kept, A h, A y, A c_old, A c, A gh, A& gc, A* ga, A* gb, i64) {
    A r = kept[0], z = kept[1], n = kept[2];
    ga[2] = gh * (1 - z) * (1 - n * n);
    ga[1] = gb[1] = gh * (h - n) * z * (1 - z);
    ga[0] = gb[0] = ga[2] * kept[3] * r * (1 - r);
    gb[2] = ga[2] * r;
    return gh * z;
  }
};

// ---------------------------------------------------------------- one unit of one sequence at one step

struct Forward {
  const T* x_part;
  const T* b_ih;
  const T* b_hh;
  T* h;
  T* c;
  T* kept;  // (T, N, KEPT * H), or null
  T* y;
  const i64* lengths;
  Sizes sizes;
  i64 nonlinearity;

  // b: the products of the old h and the rows of w_hh.
  template <class Cell>
  __device__ void run(i64 t, i64 n, i64 j, A* b) const {
    i64 old = sizes.state(sizes.before(t), n, j), now = sizes.state(sizes.after(t), n, j);
    i64 output = sizes.state(t, n, j);
    A h_old = get_fresh(h + old), c_new = c ? get(c + old) : A(0);
    if (lengths && t >= lengths[n]) {
      put(h + now, h_old);
      if (c) put(c + now, c_new);
      put(y + output, A(0));
      return;
    }
    A a[Cell::GATES], trace[Cell::KEPT + 1];
    for (int k = 0; k < Cell::GATES; ++k) {
      a[k] = get(x_part + sizes.gate(t, n, Cell::GATES, k, j));
      if (b_ih) a[k] += get(b_ih + k * sizes.hidden + j);
      if (b_hh) b[k] += get(b_hh + k * sizes.hidden + j);
    }
    A h_new = Cell::forward(a, b, h_old, c_new, trace, nonlinearity);
    put(h + now, h_new);
    put(y + output, h_new);
    if (c) put(c + now, c_new);
    if (kept)
      for (int k = 0; k < Cell::KEPT; ++k) put(kept + sizes.gate(t, n, Cell::KEPT, k, j), trace[k]);
  }
};

struct Backward {
  const T* h;
  const T* c;
  const T* kept;
  const T* gy;
  A* gh;  // (N, H): in, the gradient of the new h but for gy; out, what reaches the old h past the product
  A* gc;
  T* ga;  // (T, N, G * H), null where it equals gb
  T* gb;
  const i64* lengths;
  Sizes sizes;
  i64 nonlinearity;

  // product: what comes from the step after through w_hh.
  template <class Cell>
  __device__ void run(i64 t, i64 n, i64 j, A product) const {
    i64 here = sizes.state(0, n, j);
    A above = gh[here] + product, of_a[Cell::GATES] = {}, of_b[Cell::GATES] = {};
    if (lengths && t >= lengths[n]) {
      gh[here] = above;
    } else {
      i64 old = sizes.state(sizes.before(t), n, j), now = sizes.state(sizes.after(t), n, j);
      A trace[Cell::KEPT + 1], gc_here = gc ? gc[here] : A(0);
      for (int k = 0; k < Cell::KEPT; ++k) trace[k] = get(kept + sizes.gate(t, n, Cell::KEPT, k, j));
      if (gy) above += get(gy + sizes.state(t, n, j));
      A c_old = c ? get(c + old) : A(0), c_new = c ? get(c + now) : A(0);
      gh[here] = Cell::backward(trace, get(h + old), get(h + now), c_old, c_new, above, gc_here, of_a, of_b, nonlinearity);
      if (gc) gc[here] = gc_here;
    }
    for (int k = 0; k < Cell::GATES; ++k) {
      i64 place = sizes.gate(t, n, Cell::GATES, k, j);
      put(gb + place, of_b[k]);
      if (ga) put(ga + place, of_a[k]);
    }
  }
};

// ---------------------------------------------------------------- one step: a thread a unit

// products (N, G * H).
template <class Cell>
__device__ void step_forward(const Forward& pass, i64 step, const T* products) {
  const Sizes& sizes = pass.sizes;
  i64 j = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x, n = blockIdx.y;
  if (j >= sizes.hidden) return;
  A b[Cell::GATES];
  for (int k = 0; k < Cell::GATES; ++k) b[k] = get(products + sizes.gate(0, n, Cell::GATES, k, j));
  pass.run<Cell>(sizes.time(step), n, j, b);
}

// products (N, H), or null at the last step.
template <class Cell>
__device__ void step_backward(const Backward& pass, i64 step, const T* products) {
  const Sizes& sizes = pass.sizes;
  i64 j = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x, n = blockIdx.y;
  if (j >= sizes.hidden) return;
  pass.run<Cell>(sizes.time(step), n, j, products ? get(products + sizes.state(0, n, j)) : A(0));
}

// ---------------------------------------------------------------- whole sequences
//
// A block owns blockDim.x units of blockDim.y * ROWS sequences, and keeps its units' rows of the hidden weights in
// shared memory from the first step to the last (Diamos et al.: Persistent RNNs, ICML 2016). Between steps it waits for
// the blocks of the same sequences, which own the other units. Threads: x a unit, y ROWS sequences, z a share of the
// terms of each product.

const int ROWS = 4, CHUNK = 128;

struct __align__(sizeof(A) == 4 ? 16 : 8) Quad {
  A x[4];
};

__device__ inline i64 padded(i64 terms) { return (terms + 3) / 4 * 4 + 4; }

// Waits until all blocks of this column of the grid have come here `rounds` times.
__device__ inline void wait_for_column(unsigned* arrivals, i64 rounds) {
  __syncthreads();
  if (threadIdx.x + threadIdx.y + threadIdx.z == 0) {
    __threadfence();
    atomicAdd(arrivals + blockIdx.y, 1u);
    volatile unsigned* seen = arrivals + blockIdx.y;
    while (*seen < rounds * gridDim.x) __nanosleep(20);
    __threadfence();
  }
  __syncthreads();
}

struct Tile {
  A* weights;  // (COLUMNS * blockDim.x, padded(terms)), zero beyond the last unit and term
  A* chunk;    // (blockDim.y * ROWS, CHUNK + 4): a part of the left factor
  A* sums;     // (blockDim.z, blockDim.y * ROWS, COLUMNS * blockDim.x), in the place of the chunk
  i64 terms;

  __device__ static int thread() { return (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x; }
  __device__ static int threads() { return blockDim.x * blockDim.y * blockDim.z; }
  __device__ static int sequences() { return blockDim.y * ROWS; }

  // Fills `chunk` with `span` columns from `start` on of rows `first` on of left (rows, terms).
  __device__ void load(const T* left, i64 first, i64 rows, i64 start, int span) {
    for (int i = thread(); i < sequences() * span; i += threads()) {
      i64 n = first + i / span, k = start + i % span;
      chunk[i / span * (CHUNK + 4) + i % span] = n < rows && k < terms ? get_fresh(left + n * terms + k) : A(0);
    }
  }

  // sums[z][row][column * blockDim.x + x]: each share of the products of left's rows and the weights' rows.
  template <int COLUMNS>
  __device__ void multiply(const T* left, i64 first, i64 rows) {
    A total[ROWS][COLUMNS] = {};
    for (i64 start = 0; start < terms; start += CHUNK) {
      int span = terms - start < CHUNK ? static_cast<int>(terms - start + 3) / 4 * 4 : CHUNK;
      __syncthreads();
      load(left, first, rows, start, span);
      __syncthreads();
      for (int k = 4 * threadIdx.z; k < span; k += 4 * blockDim.z) {
        Quad w[COLUMNS];
        for (int g = 0; g < COLUMNS; ++g)
          w[g] = *reinterpret_cast<const Quad*>(weights + (g * blockDim.x + threadIdx.x) * padded(terms) + start + k);
        for (int r = 0; r < ROWS; ++r) {
          Quad v = *reinterpret_cast<const Quad*>(chunk + (r * blockDim.y + threadIdx.y) * (CHUNK + 4) + k);
          for (int g = 0; g < COLUMNS; ++g)
            for (int i = 0; i < 4; ++i) total[r][g] += w[g].x[i] * v.x[i];
        }
      }
    }
    __syncthreads();
    for (int r = 0; r < ROWS; ++r)
      for (int g = 0; g < COLUMNS; ++g) *sum(threadIdx.z, r * blockDim.y + threadIdx.y, COLUMNS, g, threadIdx.x) = total[r][g];
    __syncthreads();
  }

  __device__ A* sum(int share, int row, int columns, int column, int unit) {
    return sums + ((share * sequences() + row) * columns + column) * blockDim.x + unit;
  }

  __device__ A product(int row, int columns, int column, int unit) {
    A total = 0;
    for (int share = 0; share < blockDim.z; ++share) total += *sum(share, row, columns, column, unit);
    return total;
  }
};

// Calls act(row in the tile, unit in the tile, sequence, unit) for each that the block owns, shared among its threads.
template <class Act>
__device__ inline void for_each_owned(const Sizes& sizes, i64 first, const Act& act) {
  for (int i = Tile::thread(); i < Tile::sequences() * blockDim.x; i += Tile::threads()) {
    int row = i / blockDim.x, unit = i % blockDim.x;
    i64 n = first + row, j = static_cast<i64>(blockIdx.x) * blockDim.x + unit;
    if (n < sizes.batch && j < sizes.hidden) act(row, unit, n, j);
  }
}

template <class Cell>
__device__ void sequence_forward(const Forward& pass, const T* w_hh, unsigned* arrivals) {
  DYNAMIC_SHARED(A, shared);
  const Sizes& sizes = pass.sizes;
  i64 hidden = sizes.hidden, stride = padded(hidden), first = static_cast<i64>(blockIdx.y) * Tile::sequences();
  int rows = Cell::GATES * blockDim.x;
  Tile tile = {shared, shared + rows * stride, shared + rows * stride, hidden};
  for (i64 i = Tile::thread(); i < rows * stride; i += Tile::threads()) {
    i64 row = i / stride, term = i % stride, j = static_cast<i64>(blockIdx.x) * blockDim.x + row % blockDim.x;
    bool inside = j < hidden && term < hidden;
    shared[i] = inside ? get(w_hh + (row / blockDim.x * hidden + j) * hidden + term) : A(0);
  }
  for (i64 step = 0; step < sizes.steps; ++step) {
    i64 t = sizes.time(step);
    tile.multiply<Cell::GATES>(pass.h + sizes.state(sizes.before(t), 0, 0), first, sizes.batch);
    for_each_owned(sizes, first, [&](int row, int unit, i64 n, i64 j) {
      A b[Cell::GATES];
      for (int k = 0; k < Cell::GATES; ++k) b[k] = tile.product(row, Cell::GATES, k, unit);
      pass.run<Cell>(t, n, j, b);
    });
    if (step + 1 < sizes.steps) wait_for_column(arrivals, step + 1);
  }
}

template <class Cell>
__device__ void sequence_backward(const Backward& pass, const T* w_hh, unsigned* arrivals) {
  DYNAMIC_SHARED(A, shared);
  const Sizes& sizes = pass.sizes;
  i64 hidden = sizes.hidden, terms = Cell::GATES * hidden, stride = padded(terms);
  i64 first = static_cast<i64>(blockIdx.y) * Tile::sequences();
  Tile tile = {shared, shared + blockDim.x * stride, shared + blockDim.x * stride, terms};
  for (i64 i = Tile::thread(); i < blockDim.x * stride; i += Tile::threads()) {
    i64 unit = i % blockDim.x, term = i / blockDim.x, j = static_cast<i64>(blockIdx.x) * blockDim.x + unit;
    shared[unit * stride + term] = j < hidden && term < terms ? get(w_hh + term * hidden + j) : A(0);
  }
  for (i64 step = sizes.steps - 1; step >= 0; --step) {
    i64 t = sizes.time(step);
    for_each_owned(sizes, first, [&](int, int, i64 n, i64 j) { pass.run<Cell>(t, n, j, A(0)); });
    wait_for_column(arrivals, sizes.steps - step);
    tile.multiply<1>(pass.gb + sizes.gate(t, 0, Cell::GATES, 0, 0), first, sizes.batch);
    for_each_owned(sizes, first, [&](int row, int unit, i64 n, i64 j) {
      pass.gh[sizes.state(0, n, j)] += tile.product(row, 1, 0, unit);
    });
    __syncthreads();
  }
}

#define FORWARD_ARGUMENTS                                                                                     \
  const T *x_part, const T *b_ih, const T *b_hh, T *h, T *c, T *kept, T *y, const i64 *lengths, i64 steps,    \
      i64 batch, i64 hidden, i64 room, i64 reverse, i64 nonlinearity
#define FORWARD \
  {x_part, b_ih, b_hh, h, c, kept, y, lengths, {steps, batch, hidden, room, reverse != 0}, nonlinearity}

#define BACKWARD_ARGUMENTS                                                                                    \
  const T *h, const T *c, const T *kept, const T *gy, A *gh, A *gc, T *ga, T *gb, const i64 *lengths,         \
      i64 steps, i64 batch, i64 hidden, i64 room, i64 reverse, i64 nonlinearity
#define BACKWARD \
  {h, c, kept, gy, gh, gc, ga, gb, lengths, {steps, batch, hidden, room, reverse != 0}, nonlinearity}

#define KERNELS(name, Cell)                                                                                   \
  extern "C" __global__ void name##_forward_step(FORWARD_ARGUMENTS, i64 step, const T* products) {            \
    step_forward<Cell>(FORWARD, step, products);                                                              \
  }                                                                                                           \
  extern "C" __global__ void name##_backward_step(BACKWARD_ARGUMENTS, i64 step, const T* products) {          \
    step_backward<Cell>(BACKWARD, step, products);                                                            \
  }                                                                                                           \
  extern "C" __global__ void __launch_bounds__(512) name##_forward_sequence(FORWARD_ARGUMENTS, const T* w_hh, unsigned* arrivals) {  \
    sequence_forward<Cell>(FORWARD, w_hh, arrivals);                                                          \
  }                                                                                                           \
  extern "C" __global__ void __launch_bounds__(512) name##_backward_sequence(BACKWARD_ARGUMENTS, const T* w_hh, unsigned* arrivals) { \
    sequence_backward<Cell>(BACKWARD, w_hh, arrivals);                                                        \
  }

KERNELS(rnn, Rnn)
KERNELS(lstm, Lstm)
KERNELS(gru, Gru)
