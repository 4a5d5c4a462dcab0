// Philox4x64-10, the stream of numpy.random.Philox
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

// out (n,): one thread a block of four words. A captured step is repeated at another place: `shift` blocks further on.
extern "C" __global__ void random_bits(u64* out, i64 n, i64 c0, i64 c1, i64 c2, i64 c3, i64 k0, i64 k1,
                                       const i64* shift) {
  i64 block = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (4 * block >= n) return;
  Block drawn = philox(c0, c1, c2, c3, k0, k1, block + (shift ? *shift : 0));
  for (int i = 0; i < 4 && 4 * block + i < n; ++i) out[4 * block + i] = drawn.words[i];
}
