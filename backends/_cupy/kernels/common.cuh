// What every kernel shares: number types, sums over rows and blocks, and the error slot.
//
// A file is compiled once for each SCALAR (float, double, half, bfloat16). Values are stored as T and computed as A,
// which is float for the 16-bit types. Kernels take pointers, long long and double only, so that Python's own numbers
// can be passed. No header is included: NVRTC then needs nothing but itself.

typedef long long i64;
typedef unsigned long long u64;

struct half {
  unsigned short bits;
};

struct bfloat16 {
  unsigned short bits;
};

#ifndef EMULATED
__device__ inline float half_to_float(unsigned short bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}

__device__ inline unsigned short float_to_half(float value) {
  unsigned short bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}

#define DYNAMIC_SHARED(type, name)                               \
  extern __shared__ __align__(16) unsigned char dynamic_shared[]; \
  type* name = reinterpret_cast<type*>(dynamic_shared)
#endif

__device__ inline float wide(float x) { return x; }
__device__ inline double wide(double x) { return x; }
__device__ inline float wide(half x) { return half_to_float(x.bits); }
__device__ inline float wide(bfloat16 x) { return __uint_as_float(static_cast<unsigned>(x.bits) << 16); }

__device__ inline void put(float* to, float x) { *to = x; }
__device__ inline void put(double* to, double x) { *to = x; }
__device__ inline void put(half* to, float x) { to->bits = float_to_half(x); }
__device__ inline void put(bfloat16* to, float x) {
  unsigned bits = __float_as_uint(x);
  bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  // To the nearest, ties to even.
  to->bits = static_cast<unsigned short>((nan ? bits | 0x400000u : bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

typedef SCALAR T;
typedef decltype(wide(T())) A;

__device__ inline A get(const T* from) { return wide(*from); }

// As get, but past the first-level cache, which does not see what other blocks write.
__device__ inline float get_fresh(const float* from) { return __ldcg(from); }
__device__ inline double get_fresh(const double* from) { return __ldcg(from); }
__device__ inline float get_fresh(const half* from) { return half_to_float(__ldcg(&from->bits)); }
__device__ inline float get_fresh(const bfloat16* from) {
  return wide(bfloat16{__ldcg(&from->bits)});
}

// ---------------------------------------------------------------- reductions
__device__ const unsigned ALL_LANES = 0xffffffffu;

__device__ inline A infinity() { return static_cast<A>(__int_as_float(0x7f800000)); }

struct Sum {
  static __device__ A neutral() { return 0; }
  static __device__ A join(A a, A b) { return a + b; }
};

struct Max {
  static __device__ A neutral() { return -infinity(); }
  static __device__ A join(A a, A b) { return a > b || a != a ? a : b; }
};

template <class Join>
__device__ inline A over_warp(A x) {
  for (int offset = 16; offset; offset >>= 1) x = Join::join(x, __shfl_xor_sync(ALL_LANES, x, offset));
  return x;
}

// Over the threads of equal threadIdx.y. blockDim.x is a multiple of 32; every thread of the block must call.
template <class Join>
__device__ inline A over_row(A x) {
  __shared__ A of_warp[32];
  int warps = blockDim.x / 32;
  x = over_warp<Join>(x);
  if (warps == 1) return x;
  int first = threadIdx.y * warps;
  if (threadIdx.x % 32 == 0) of_warp[first + threadIdx.x / 32] = x;
  __syncthreads();
  x = Join::neutral();
  for (int i = 0; i < warps; ++i) x = Join::join(x, of_warp[first + i]);
  __syncthreads();
  return x;
}

// ---------------------------------------------------------------- errors
struct Mistake {
  int lock;
  int unused;
  i64 op;
  i64 value;
  i64 position;
};

// Of the first operation that went wrong the slot keeps the first position, so that the message is the same each time.
// `raised` lies in the host's memory: the host sees without a copy that there is something to fetch.
__device__ inline void note_mistake(Mistake* slot, int* raised, i64 op, i64 value, i64 position) {
  volatile Mistake* seen = slot;
  if (seen->op != 0 && (seen->op != op || seen->position <= position)) return;
  while (atomicCAS(&slot->lock, 0, 1) != 0) {
  }
  __threadfence();
  if (seen->op == 0 || (seen->op == op && position < seen->position)) {
    seen->op = op;
    seen->value = value;
    seen->position = position;
  }
  __threadfence();
  atomicExch(&slot->lock, 0);
  *reinterpret_cast<volatile int*>(raised) = 1;
  __threadfence_system();
}

__device__ inline i64 clamp(i64 x, i64 size) { return x < 0 ? 0 : x < size ? x : size - 1; }
