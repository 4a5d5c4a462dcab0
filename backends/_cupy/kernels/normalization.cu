// Layer norm and, without centering, RMS norm over the last axis of x (M, D).
//
// A row is read by blockDim.x threads; a block holds blockDim.y rows. means and scales (M,) are kept for the way back.

extern "C" __global__ void norm_forward(const T* x, const T* weight, const T* bias, T* y, A* means, A* scales, i64 rows,
                                        i64 width, i64 centered, double eps) {
  i64 row = static_cast<i64>(blockIdx.x) * blockDim.y + threadIdx.y;
  bool inside = row < rows;
  i64 start = (inside ? row : 0) * width;
  A mean = 0, square = 0;
  if (centered) {
    for (i64 c = threadIdx.x; c < width; c += blockDim.x) mean += get(x + start + c);
    mean = over_row<Sum>(mean) / static_cast<A>(width);
  }
  for (i64 c = threadIdx.x; c < width; c += blockDim.x) {
    A d = get(x + start + c) - mean;
    square += d * d;
  }
  A scale = 1 / sqrt(over_row<Sum>(square) / static_cast<A>(width) + static_cast<A>(eps));
  if (!inside) return;
  for (i64 c = threadIdx.x; c < width; c += blockDim.x) {
    A normal = (get(x + start + c) - mean) * scale;
    if (weight) normal *= get(weight + c);
    put(y + start + c, bias ? normal + get(bias + c) : normal);
  }
  if (threadIdx.x) return;
  means[row] = mean;
  scales[row] = scale;
}

// g (M, D) -> gx (M, D).
extern "C" __global__ void norm_backward(const T* x, const T* weight, const A* means, const A* scales, const T* g, T* gx,
                                         i64 rows, i64 width, i64 centered) {
  i64 row = static_cast<i64>(blockIdx.x) * blockDim.y + threadIdx.y;
  bool inside = row < rows;
  i64 start = (inside ? row : 0) * width;
  A mean = means[inside ? row : 0], scale = scales[inside ? row : 0], level = 0, along = 0;
  for (i64 c = threadIdx.x; c < width; c += blockDim.x) {
    A slope = get(g + start + c) * (weight ? get(weight + c) : A(1));
    level += slope;
    along += slope * (get(x + start + c) - mean) * scale;
  }
  level = centered ? over_row<Sum>(level) / static_cast<A>(width) : A(0);
  along = over_row<Sum>(along) / static_cast<A>(width);
  if (!inside) return;
  for (i64 c = threadIdx.x; c < width; c += blockDim.x) {
    A slope = get(g + start + c) * (weight ? get(weight + c) : A(1));
    put(gx + start + c, scale * (slope - level - (get(x + start + c) - mean) * scale * along));
  }
}

// Sums over band blockIdx.y of `band` rows, one of gridDim.y: gweights, gbiases (bands, D), either may be null.
// Threads (32 columns, y: rows).
extern "C" __global__ void norm_backward_weights(const T* x, const A* means, const A* scales, const T* g, A* gweights,
                                                 A* gbiases, i64 rows, i64 width, i64 band) {
  __shared__ A along[32][33];
  __shared__ A level[32][33];
  i64 column = static_cast<i64>(blockIdx.x) * 32 + threadIdx.x;
  i64 first = static_cast<i64>(blockIdx.y) * band, last = first + band < rows ? first + band : rows;
  A of_weight = 0, of_bias = 0;
  if (column < width) {
    for (i64 row = first + threadIdx.y; row < last; row += blockDim.y) {
      A slope = get(g + row * width + column);
      of_bias += slope;
      of_weight += slope * (get(x + row * width + column) - means[row]) * scales[row];
    }
  }
  along[threadIdx.y][threadIdx.x] = of_weight;
  level[threadIdx.y][threadIdx.x] = of_bias;
  __syncthreads();
  if (threadIdx.y || column >= width) return;
  for (int y = 1; y < blockDim.y; ++y) {
    of_weight += along[y][threadIdx.x];
    of_bias += level[y][threadIdx.x];
  }
  if (gweights) gweights[blockIdx.y * width + column] = of_weight;
  if (gbiases) gbiases[blockIdx.y * width + column] = of_bias;
}
