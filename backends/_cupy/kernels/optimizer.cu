// Stochastic gradient descent on many parameters in one launch: whole tensors, and rows of tables.

// ---------------------------------------------------------------- rows that are owed steps
//
// See backends/reference/optimizer.py: a row (w, b) that has seen s of `steps` steps becomes products[s] times it.
struct Debt {
  T* table;
  T* buffer;
  int* seen;
  const T* products;
  i64 width;
  i64 size;
  i64 steps;

  // What brings a row that has seen `s` steps up to date.
  struct Factors {
    bool late;
    A ww, wb, bw, bb;

    __device__ void apply(A& w, A& b) const {
      if (!late) return;
      A before = w;
      w = ww * before + wb * b;
      // A value that has overflowed is not to spoil what the steps do not add it to.
      b = bb * b + (bw != 0 ? bw * before : A(0));
    }
  };

  __device__ Factors factors(int s) const {
    const T* of = products + 4 * clamp(s, steps + 1);
    return {s < steps, get(of), get(of + 1), get(of + 2), get(of + 3)};
  }

  __device__ A momentum(i64 place) const { return buffer ? get(buffer + place) : A(0); }
};

#define DEBT T *table, T *buffer, int *seen, const T *products, i64 width, i64 size, i64 steps
#define THE_DEBT {table, buffer, seen, products, width, size, steps}

// A goal of runs.cuh: the row that a key names catches up, if the table is one whose rows are behind (`seen` is not null),
// and the sum of its gradients is added.
struct Step {
  Debt debt;
  const i64* keys;
  double w_gain;
  double b_gain;

  struct Row {
    Debt debt;
    Debt::Factors factors;
    i64 id;
    A w_gain, b_gain;

    __device__ void put_sum(i64 column, A total) const {
      i64 place = id * debt.width + column;
      A w = get(debt.table + place), b = debt.momentum(place);
      factors.apply(w, b);
      put(debt.table + place, w + w_gain * total);
      if (debt.buffer) put(debt.buffer + place, b + b_gain * total);
    }
    __device__ void close() const {
      if (debt.seen) debt.seen[id] = static_cast<int>(debt.steps);
    }
  };

  __device__ Row row(i64 entry) const {
    i64 id = clamp(keys[entry], debt.size);
    Debt::Factors factors = debt.seen ? debt.factors(debt.seen[id]) : Debt::Factors{false, 1, 0, 0, 1};
    return {debt, factors, id, static_cast<A>(w_gain), static_cast<A>(b_gain)};
  }
};

// ---------------------------------------------------------------- a step
const int TENSORS = 80, TABLES = 6;
const i64 CHUNK = 2048;

// Rows (n, width) with a gradient, sorted by the row of the table that they belong to.
struct Table {
  Runs runs;
  Debt debt;
  double w_gain;
  double b_gain;
  i64 end;
};

// What there is to do, in blocks: first a piece of a table's rows each, then a chunk of a tensor each. `end` and `ends` say
// how many blocks there are up to and with a table or tensor. Passed by value, so that nothing has to be copied to the device.
struct Work {
  Table tables[TABLES];
  T* params[TENSORS];
  const T* grads[TENSORS];
  T* buffers[TENSORS];  // null without momentum
  i64 sizes[TENSORS];
  int fresh[TENSORS];  // whether the buffer is to be filled with the gradient
  int ends[TENSORS];
};

struct Options {
  double lr, momentum, dampening;
  bool nesterov;
  double weight_decay;
  bool maximize;
};

__device__ inline void step_chunk(const Work& work, int k, i64 chunk, const Options& options) {
  T* param = work.params[k];
  T* buffer = work.buffers[k];
  i64 limit = (chunk + 1) * CHUNK < work.sizes[k] ? (chunk + 1) * CHUNK : work.sizes[k];
  for (i64 i = chunk * CHUNK + threadIdx.y * 32 + threadIdx.x; i < limit; i += 32 * WARPS) {
    A grad = get(work.grads[k] + i), value = get(param + i);
    if (options.maximize) grad = -grad;
    if (options.weight_decay != 0) grad += static_cast<A>(options.weight_decay) * value;
    if (buffer) {
      A momentum = static_cast<A>(options.momentum), velocity = grad;
      if (!work.fresh[k]) velocity = get(buffer + i) * momentum + static_cast<A>(1 - options.dampening) * grad;
      put(buffer + i, velocity);
      grad = options.nesterov ? grad + momentum * velocity : velocity;
    }
    put(param + i, value - static_cast<A>(options.lr) * grad);
  }
}

// Threads (32, WARPS).
extern "C" __global__ void __launch_bounds__(32 * WARPS) sgd_step(const Work work, double lr, double momentum,
                                                                  double dampening, i64 nesterov, double weight_decay,
                                                                  i64 maximize) {
  i64 block = blockIdx.x;
  for (int k = 0; k < TABLES; ++k) {
    if (block >= work.tables[k].end) continue;
    Table table = work.tables[k];
    i64 begin = k ? work.tables[k - 1].end : 0;
    sum_piece(table.runs, block - begin, Step{table.debt, table.runs.keys, table.w_gain, table.b_gain});
    return;
  }
  int low = 0, high = TENSORS - 1;
  while (low < high) {
    int middle = (low + high) / 2;
    if (block < work.ends[middle]) high = middle;
    else low = middle + 1;
  }
  i64 begin = low ? work.ends[low - 1] : work.tables[TABLES - 1].end;
  step_chunk(work, low, block - begin, Options{lr, momentum, dampening, nesterov != 0, weight_decay, maximize != 0});
}

// ---------------------------------------------------------------- rows that catch up without a gradient
// The rows ids (n,) catch up, or all if ids is null, in whichever order and however often they are named: the first
// warp to come to a row does it. One warp an entry: threads (32 columns at a time, y: entries).
extern "C" __global__ void advance_rows(const i64* ids, i64 n, DEBT) {
  Debt debt = THE_DEBT;
  i64 entry = static_cast<i64>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (entry >= n) return;
  i64 id = ids ? clamp(ids[entry], size) : entry;
  int s = threadIdx.x == 0 ? atomicExch(seen + id, static_cast<int>(steps)) : 0;
  Debt::Factors factors = debt.factors(__shfl_sync(ALL_LANES, s, 0));
  if (!factors.late) return;
  for (i64 place = id * width + threadIdx.x; place < (id + 1) * width; place += 32) {
    A w = get(table + place), b = debt.momentum(place);
    factors.apply(w, b);
    put(table + place, w);
    if (buffer) put(buffer + place, b);
  }
}

// out (n, width): the rows ids (n,) as they would be; nothing else is written. Threads (x: columns, y: entries).
extern "C" __global__ void take_advanced_rows(const i64* ids, T* out, i64 n, DEBT) {
  Debt debt = THE_DEBT;
  i64 entry = static_cast<i64>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (entry >= n) return;
  i64 id = clamp(ids[entry], size);
  Debt::Factors factors = debt.factors(seen[id]);
  for (i64 column = threadIdx.x; column < width; column += blockDim.x) {
    A w = get(table + id * width + column), b = debt.momentum(id * width + column);
    factors.apply(w, b);
    put(out + entry * width + column, w);
  }
}
