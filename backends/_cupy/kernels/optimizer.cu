// Stochastic gradient descent on many parameters in one launch.

const int TENSORS = 96;

// Passed by value, so that no table has to be copied to the device first.
struct Tensors {
  T* params[TENSORS];
  const T* grads[TENSORS];
  T* buffers[TENSORS];
  i64 sizes[TENSORS];
  i64 fresh[TENSORS];
};

// Block (x: part of a tensor, y: tensor). buffers are null without momentum; a fresh one is filled with the gradient.
extern "C" __global__ void sgd_step(const Tensors tensors, double lr, double momentum, double dampening, i64 nesterov,
                                    double weight_decay, i64 maximize) {
  int k = blockIdx.y;
  T* param = tensors.params[k];
  T* buffer = tensors.buffers[k];
  i64 stride = static_cast<i64>(gridDim.x) * blockDim.x;
  for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < tensors.sizes[k]; i += stride) {
    A grad = get(tensors.grads[k] + i), value = get(param + i);
    if (maximize) grad = -grad;
    if (weight_decay != 0) grad += static_cast<A>(weight_decay) * value;
    if (buffer) {
      A velocity = grad;
      if (!tensors.fresh[k]) velocity = get(buffer + i) * static_cast<A>(momentum) + static_cast<A>(1 - dampening) * grad;
      put(buffer + i, velocity);
      grad = nesterov ? grad + static_cast<A>(momentum) * velocity : velocity;
    }
    put(param + i, value - static_cast<A>(lr) * grad);
  }
}

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

// A goal of runs.cuh: the row that a key names catches up, and the sum of its gradients is added.
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
    __device__ void close() const { debt.seen[id] = static_cast<int>(debt.steps); }
  };

  __device__ void open(i64 entry) const {}
  __device__ Row row(i64 entry) const {
    i64 id = clamp(keys[entry], debt.size);
    return {debt, debt.factors(debt.seen[id]), id, static_cast<A>(w_gain), static_cast<A>(b_gain)};
  }
};

extern "C" __global__ void advance_runs(const i64* keys, const i64* order, const T* rows, A* parts, i64 n, DEBT,
                                        double w_gain, double b_gain) {
  Debt debt = THE_DEBT;
  sum_pieces(Entries{keys, order, nullptr, nullptr, nullptr, rows, n, width}, Step{debt, keys, w_gain, b_gain}, parts);
}

extern "C" __global__ void join_advanced(const i64* keys, const A* parts, i64 n, DEBT, double w_gain, double b_gain) {
  Debt debt = THE_DEBT;
  join_pieces(keys, parts, n, width, Step{debt, keys, w_gain, b_gain});
}

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
