// Softmax cross-entropy over class indices: logits (N, C), target (N,), weight (C,) or null.
//
// A row is read by blockDim.x threads; a block holds blockDim.y rows.

struct Label {
  i64 hit;
  bool counts;

  __device__ Label(const i64* target, i64 row, i64 classes, i64 ignore_index)
      : hit(clamp(target[row], classes)), counts(target[row] != ignore_index) {}
};

// The running maximum and the sum of exponentials relative to it, so that a row is read once
// (Milakov, Gimelshein: Online normalizer calculation for softmax, 2018).
struct LogSum {
  A top, sum;

  __device__ void add(A x) {
    A higher = Max::join(top, x);
    if (higher == -infinity()) return;
    sum = sum * exp(top - higher) + exp(x - higher);
    top = higher;
  }

  // Afterwards `sum` is its logarithm.
  __device__ void finish() {
    A highest = over_row<Max>(top);
    sum = log(over_row<Sum>(top == -infinity() ? A(0) : sum * exp(top - highest)));
    top = highest;
  }

  // Two subtractions, because the sum of both would round away the logarithm beside a large maximum.
  __device__ A log_p(A x) const { return x - top - sum; }
};

// losses, tops, log_sums and masses (N,): a row's loss, its maximum, the logarithm of the sum of exponentials relative
// to that, and the sum of its target distribution.
extern "C" __global__ void cross_entropy_forward(const T* logits, const i64* target, const T* weight, T* losses,
                                                 A* tops, A* log_sums, A* masses, i64 rows, i64 classes,
                                                 i64 ignore_index, double smoothing) {
  i64 row = static_cast<i64>(blockIdx.x) * blockDim.y + threadIdx.y;
  bool inside = row < rows;
  const T* x = logits + (inside ? row : 0) * classes;
  LogSum log_sum = {-infinity(), 0};
  for (i64 c = threadIdx.x; c < classes; c += blockDim.x) log_sum.add(get(x + c));
  log_sum.finish();
  Label label(target, inside ? row : 0, classes, ignore_index);
  A hit = static_cast<A>(1 - smoothing) * (weight ? get(weight + label.hit) : A(1));
  // A class that cannot be the target must not turn log(0) into nan.
  A loss = hit == 0 ? A(0) : -hit * log_sum.log_p(get(x + label.hit)), mass = hit;
  if (smoothing != 0) {
    A spread = 0, weights = 0, even = static_cast<A>(smoothing / classes);
    for (i64 c = threadIdx.x; c < classes; c += blockDim.x) {
      A w = weight ? get(weight + c) : A(1);
      weights += w;
      if (w != 0) spread -= w * log_sum.log_p(get(x + c));
    }
    loss += even * over_row<Sum>(spread);
    mass += even * over_row<Sum>(weights);
  }
  if (!inside || threadIdx.x) return;
  put(losses + row, label.counts ? loss : A(0));
  tops[row] = log_sum.top;
  log_sums[row] = log_sum.sum;
  masses[row] = label.counts ? mass : A(0);
}

// g (N,) -> out (N, C): g * (mass * softmax - target distribution).
extern "C" __global__ void cross_entropy_backward(const T* logits, const i64* target, const T* weight,
                                                  const A* tops, const A* log_sums, const A* masses, const T* g,
                                                  T* out, i64 rows, i64 classes, i64 ignore_index, double smoothing) {
  i64 row = static_cast<i64>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  Label label(target, row, classes, ignore_index);
  LogSum log_sum = {tops[row], log_sums[row]};
  A upstream = get(g + row), hit = static_cast<A>(1 - smoothing), even = static_cast<A>(smoothing / classes);
  for (i64 c = threadIdx.x; c < classes; c += blockDim.x) {
    A w = weight ? get(weight + c) : A(1);
    A q = w * (even + (c == label.hit ? hit : A(0)));
    A p = exp(log_sum.log_p(get(logits + row * classes + c)));
    put(out + row * classes + c, label.counts ? upstream * (masses[row] * p - q) : A(0));
  }
}
