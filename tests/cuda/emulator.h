// Runs CUDA kernels on the CPU, slowly and strictly.
//
// Each thread of a block is a fiber with a stack of its own; fibers of a block take turns on one thread of the system,
// in rising or falling order, so that a result that hangs on the order between two barriers shows. A barrier or a warp
// operation that some thread of its group does not reach ends the launch with an error. Blocks run one after another,
// or, for kernels that wait for each other, each on a thread of the system. `__shared__` variables are static and
// thread-local: one for each block that is alive.

#pragma once
#define EMULATED

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <sched.h>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(threads)
#define __shared__ static thread_local
#define __align__(n) alignas(n)
#define DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(emulator::block->dynamic_shared())

struct dim3 {
  int x, y, z;
};

namespace emulator {

const std::size_t STACK = 64 << 10;
const int WARP = 32;

// A group of threads that wait for each other: a block or a warp.
struct Barrier {
  int members = 0, arrived = 0;
  long round = 0;
};

struct Fiber {
  ucontext_t context;
  dim3 index;
  int number;
  bool done = false;
  Barrier* waits_for = nullptr;
  long round = 0;
};

struct Warp {
  Barrier barrier;
  std::uint64_t values[WARP];
};

struct Launch {
  dim3 grid, threads;
  std::size_t shared_bytes;
  bool falling;
  std::function<void()> kernel;
};

struct Block {
  const Launch& launch;
  dim3 index;
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  Barrier all;
  ucontext_t scheduler;
  Fiber* current = nullptr;
  std::unique_ptr<std::uint64_t[]> shared;

  Block(const Launch& launch, dim3 index);
  void run();
  void wait(Barrier& barrier);
  void* dynamic_shared() { return reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(shared.get()) + 15) & ~15ul); }
  Warp& warp() { return warps[current->number / WARP]; }
};

inline thread_local Block* block = nullptr;
inline thread_local std::string failure;
inline thread_local char* stacks = nullptr;
inline thread_local std::size_t stacks_size = 0;

inline char* stacks_for(std::size_t count) {
  if (stacks_size < count) {
    if (stacks) munmap(stacks, stacks_size * STACK);
    stacks = static_cast<char*>(mmap(nullptr, count * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    stacks_size = count;
  }
  return stacks;
}

inline void release_stacks() {
  if (stacks) munmap(stacks, stacks_size * STACK);
  stacks = nullptr;
  stacks_size = 0;
}

inline void enter() {
  block->launch.kernel();
  block->current->done = true;
  swapcontext(&block->current->context, &block->scheduler);
}

inline Block::Block(const Launch& launch, dim3 index) : launch(launch), index(index) {
  dim3 t = launch.threads;
  fibers.resize(t.x * t.y * t.z);
  warps.resize((fibers.size() + WARP - 1) / WARP);
  all.members = fibers.size();
  shared.reset(new std::uint64_t[launch.shared_bytes / 8 + 3]);
  // What a kernel has not written is not a number.
  std::memset(shared.get(), 0xff, launch.shared_bytes + 24);
  char* stack = stacks_for(fibers.size());
  for (int i = 0; i < static_cast<int>(fibers.size()); ++i) {
    Fiber& fiber = fibers[i];
    fiber.number = i;
    fiber.index = {i % t.x, i / t.x % t.y, i / (t.x * t.y)};
    ++warps[i / WARP].barrier.members;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stack + i * STACK;
    fiber.context.uc_stack.ss_size = STACK;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, enter, 0);
  }
}

inline void Block::run() {
  block = this;
  int count = fibers.size(), left = count;
  while (left) {
    bool moved = false;
    for (int i = 0; i < count; ++i) {
      Fiber& fiber = fibers[launch.falling ? count - 1 - i : i];
      if (fiber.done || (fiber.waits_for && fiber.waits_for->round == fiber.round)) continue;
      fiber.waits_for = nullptr;
      current = &fiber;
      swapcontext(&scheduler, &fiber.context);
      left -= fiber.done;
      moved = true;
    }
    if (!moved) {
      failure = "a barrier or warp operation was not reached by every thread of its group";
      return;
    }
  }
}

inline void Block::wait(Barrier& barrier) {
  Fiber& fiber = *current;
  fiber.round = barrier.round;
  fiber.waits_for = &barrier;
  if (++barrier.arrived == barrier.members) {
    barrier.arrived = 0;
    ++barrier.round;
  }
  swapcontext(&fiber.context, &scheduler);
}

template <class V>
V shuffle(V value, int from) {
  static_assert(sizeof(V) <= 8);
  Warp& warp = block->warp();
  std::memcpy(&warp.values[block->current->number % WARP], &value, sizeof(V));
  block->wait(warp.barrier);
  std::memcpy(&value, &warp.values[from % WARP], sizeof(V));
  block->wait(warp.barrier);
  return value;
}

inline unsigned ballot(bool vote) {
  Warp& warp = block->warp();
  warp.values[block->current->number % WARP] = vote;
  block->wait(warp.barrier);
  unsigned result = 0;
  for (int lane = 0; lane < warp.barrier.members; ++lane) result |= static_cast<unsigned>(warp.values[lane]) << lane;
  block->wait(warp.barrier);
  return result;
}

template <class V>
V add_atomically(V* to, V value) {
  V old, sum;
  __atomic_load(to, &old, __ATOMIC_SEQ_CST);
  do {
    sum = old + value;
  } while (!__atomic_compare_exchange(to, &old, &sum, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  return old;
}

// The letter by which Python names the kind of an argument.
template <class P>
constexpr char kind() {
  if (std::is_pointer_v<P>) return 'p';
  if (std::is_class_v<P>) return 's';
  return std::is_same_v<P, long long> ? 'i' : std::is_same_v<P, double> ? 'd' : '?';
}

template <class... P, std::size_t... I>
void call(void (*kernel)(P...), void** args, std::index_sequence<I...>) {
  kernel(*static_cast<std::remove_cv_t<P>*>(args[I])...);
}

// grid and threads: three numbers each. Returns what went wrong, or null.
template <class... P>
const char* launch(void (*kernel)(P...), const char* kinds, const int* grid, const int* threads, long shared_bytes,
                   int together, int falling, void** args) {
  const char expected[] = {kind<P>()..., 0};
  failure = std::strcmp(kinds, expected) ? std::string("arguments are ") + kinds + ", expected " + expected : "";
  if (!failure.empty()) return failure.c_str();
  Launch whole = {{grid[0], grid[1], grid[2]},
                  {threads[0], threads[1], threads[2]},
                  static_cast<std::size_t>(shared_bytes),
                  falling != 0,
                  [=] { call(kernel, args, std::index_sequence_for<P...>{}); }};
  int blocks = grid[0] * grid[1] * grid[2];
  auto index = [&](int i) { return dim3{i % grid[0], i / grid[0] % grid[1], i / (grid[0] * grid[1])}; };
  if (!together) {
    for (int i = 0; i < blocks && failure.empty(); ++i) Block(whole, index(falling ? blocks - 1 - i : i)).run();
  } else {
    std::vector<std::string> failures(blocks);
    std::vector<std::thread> workers;
    for (int i = 0; i < blocks; ++i)
      workers.emplace_back([&, i] {
        Block(whole, index(i)).run();
        failures[i] = failure;
        release_stacks();
      });
    for (std::thread& worker : workers) worker.join();
    for (const std::string& one : failures)
      if (!one.empty()) failure = one;
  }
  return failure.empty() ? nullptr : failure.c_str();
}

}  // namespace emulator

#define threadIdx (emulator::block->current->index)
#define blockIdx (emulator::block->index)
#define blockDim (emulator::block->launch.threads)
#define gridDim (emulator::block->launch.grid)

inline void __syncthreads() { emulator::block->wait(emulator::block->all); }
inline void __syncwarp(unsigned = 0xffffffffu) { emulator::block->wait(emulator::block->warp().barrier); }
inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __nanosleep(unsigned) { sched_yield(); }

template <class V>
V __shfl_xor_sync(unsigned, V value, int mask) {
  return emulator::shuffle(value, emulator::block->current->number ^ mask);
}
template <class V>
V __shfl_sync(unsigned, V value, int lane) {
  return emulator::shuffle(value, lane);
}
inline unsigned __ballot_sync(unsigned, bool vote) { return emulator::ballot(vote); }

template <class V>
V atomicAdd(V* to, V value) {
  return emulator::add_atomically(to, value);
}
template <class V>
V atomicCAS(V* to, V expected, V value) {
  __atomic_compare_exchange(to, &expected, &value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return expected;
}
template <class V>
V atomicExch(V* to, V value) {
  V old;
  __atomic_exchange(to, &value, &old, __ATOMIC_SEQ_CST);
  return old;
}

template <class V>
V __ldcg(const V* from) {
  V value;
  __atomic_load(from, &value, __ATOMIC_SEQ_CST);
  return value;
}

inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
template <class To, class From>
To reinterpret_bits(From from) {
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}
inline float __uint_as_float(unsigned bits) { return reinterpret_bits<float>(bits); }
inline float __int_as_float(int bits) { return reinterpret_bits<float>(bits); }
inline unsigned __float_as_uint(float x) { return reinterpret_bits<unsigned>(x); }
inline float half_to_float(unsigned short bits) { return reinterpret_bits<_Float16>(bits); }
inline unsigned short float_to_half(float x) { return reinterpret_bits<unsigned short>(static_cast<_Float16>(x)); }


// g++ is told not to join products and sums.
inline float __fmul_rn(float x, float y) { return x * y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline double __dadd_rn(double x, double y) { return x + y; }

using std::cos;
using std::exp;
using std::log;
using std::log1p;
using std::sin;
using std::sqrt;
using std::tanh;
