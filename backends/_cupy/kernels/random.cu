// Random numbers from Philox4x64-10, the stream of numpy.random.Philox
// (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011).

struct Block {
  u64 words[4];
};

// The four words after `index` blocks, or before if it is negative, from the counter (four digits, the lowest first)
// and the key (two).
__device__ inline Block philox(u64 c0, u64 c1, u64 c2, u64 c3, u64 k0, u64 k1, i64 index) {
  i64 step = index + 1;  // NumPy counts up before it draws
  u64 before = c0;
  c0 += static_cast<u64>(step);
  if (step > 0 && c0 < before && ++c1 == 0 && ++c2 == 0) ++c3;
  if (step < 0 && c0 > before && c1-- == 0 && c2-- == 0) --c3;
  for (int round = 0; round < 10; ++round) {
    u64 low0 = 0xD2E7470EE14C6C93ull * c0, high0 = __umul64hi(0xD2E7470EE14C6C93ull, c0);
    u64 low2 = 0xCA5A826395121157ull * c2, high2 = __umul64hi(0xCA5A826395121157ull, c2);
    c0 = high2 ^ c1 ^ k0;
    c2 = high0 ^ c3 ^ k1;
    c1 = low2;
    c3 = low0;
    k0 += 0x9E3779B97F4A7C15ull;
    k1 += 0xBB67AE8584CAA73Bull;
  }
  return {{c0, c1, c2, c3}};
}

// ---------------------------------------------------------------- what kernels share
//
// A block of threads first draws four words each into shared memory, then goes through them in order, so that
// neighbouring threads touch neighbouring memory. A captured step is repeated at another place in the stream: `shift`
// blocks of four words further on.

const int THREADS = 256, WORDS = 4 * THREADS;

#define PLACE i64 c0, i64 c1, i64 c2, i64 c3, i64 k0, i64 k1, const i64* shift
#define DRAWN(name)          \
  __shared__ u64 name[WORDS]; \
  draw(name, c0, c1, c2, c3, k0, k1, shift)

// To be called by every thread of the block.
__device__ inline void draw(u64* words, PLACE) {
  i64 block = static_cast<i64>(blockIdx.x) * THREADS + threadIdx.x;
  Block drawn = philox(c0, c1, c2, c3, k0, k1, block + (shift ? *shift : 0));
  for (int i = 0; i < 4; ++i) words[4 * threadIdx.x + i] = drawn.words[i];
  __syncthreads();
}

// The i-th half of a word, the low halves first.
__device__ inline unsigned half_word(const u64* words, int i) {
  return static_cast<unsigned>(words[i / 2] >> (i % 2 ? 32 : 0));
}

__device__ constexpr int significant_bits(bfloat16) { return 8; }
__device__ constexpr int significant_bits(half) { return 11; }
__device__ constexpr int significant_bits(float) { return 24; }
__device__ constexpr int significant_bits(double) { return 53; }

// Numbers of a block of threads, and the i-th of them, in [0, 1) and exact: as many bits as T has between 0.5 and 1.
const int BITS = significant_bits(T());
const int NUMBERS = sizeof(T) == 8 ? WORDS : 2 * WORDS;

__device__ inline A unit(const u64* words, int i) {
  u64 bits = sizeof(T) == 8 ? words[i] : static_cast<u64>(half_word(words, i)) << 32;
  return static_cast<A>(bits >> (64 - BITS)) / static_cast<A>(1ull << BITS);
}

// Products and sums as NumPy makes them: each rounded to T, and never joined into one instruction.
__device__ inline float product(float x, float y) { return __fmul_rn(x, y); }
__device__ inline double product(double x, double y) { return __dmul_rn(x, y); }
__device__ inline float sum(float x, float y) { return __fadd_rn(x, y); }
__device__ inline double sum(double x, double y) { return __dadd_rn(x, y); }

__device__ inline A rounded(A x) {
  T stored;
  put(&stored, x);
  return get(&stored);
}

__device__ inline A times(A x, A y) { return rounded(product(x, y)); }
__device__ inline A plus(A x, A y) { return rounded(sum(x, y)); }

// ---------------------------------------------------------------- kernels
extern "C" __global__ void __launch_bounds__(256) random_bits(u64* out, i64 n, PLACE) {
  DRAWN(words);
  i64 first = static_cast<i64>(blockIdx.x) * WORDS;
  for (int i = threadIdx.x; i < WORDS && first + i < n; i += THREADS) out[first + i] = words[i];
}

// out (n,): low + span * u.
extern "C" __global__ void __launch_bounds__(256) random_uniform(T* out, i64 n, PLACE, double span, double low) {
  DRAWN(words);
  i64 first = static_cast<i64>(blockIdx.x) * NUMBERS;
  for (int i = threadIdx.x; i < NUMBERS && first + i < n; i += THREADS)
    put(out + first + i, plus(times(unit(words, i), static_cast<A>(span)), static_cast<A>(low)));
}

// out (n,), in pairs (Box, Muller: A note on the generation of random normal deviates, 1958). As all that goes into the
// logarithm and the angles is exact or rounded alike, results differ from NumPy's by what the functions do, no more.
extern "C" __global__ void __launch_bounds__(256) random_normal(T* out, i64 n, PLACE, double mean, double std) {
  DRAWN(words);
  i64 first = static_cast<i64>(blockIdx.x) * NUMBERS;
  for (int i = 2 * threadIdx.x; i < NUMBERS && first + i < n; i += 2 * THREADS) {
    A radius = rounded(sqrt(times(-2, rounded(log1p(-unit(words, i))))));
    A angle = times(rounded(static_cast<A>(6.283185307179586)), unit(words, i + 1));
    A both[2] = {rounded(cos(angle)), rounded(sin(angle))};
    for (int k = 0; k < 2 && first + i + k < n; ++k)
      put(out + first + i + k, plus(times(times(radius, both[k]), static_cast<A>(std)), static_cast<A>(mean)));
  }
}

// y and mask (n,) from x (n,): the mask is `scale` where the half word is at least `least`, else zero.
extern "C" __global__ void __launch_bounds__(256) dropout_forward(const T* x, T* y, T* mask, i64 n, PLACE, i64 least,
                                                                  double scale) {
  DRAWN(words);
  i64 first = static_cast<i64>(blockIdx.x) * 2 * WORDS;
  for (int i = threadIdx.x; i < 2 * WORDS && first + i < n; i += THREADS) {
    A factor = half_word(words, i) >= least ? static_cast<A>(scale) : A(0);
    put(mask + first + i, factor);
    put(y + first + i, get(x + first + i) * factor);
  }
}
