// What captured steps use of cuBLAS, on the CPU: its column-major products, and its rule that a workspace, which a
// recording needs, is forgotten when a stream is set.

#include <cstdint>
#include <cstring>

namespace {
const int NOT_INITIALIZED = 1, INVALID_VALUE = 7;

struct Handle {
  void* stream = nullptr;
  void* workspace = nullptr;
} handle;

double load(const void* data, int type, long long i) {
  if (type == 0) return static_cast<const float*>(data)[i];
  if (type == 1) return static_cast<const double*>(data)[i];
  if (type == 2) return static_cast<const _Float16*>(data)[i];
  std::uint32_t bits = static_cast<std::uint32_t>(static_cast<const std::uint16_t*>(data)[i]) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

void store(void* data, int type, long long i, double value) {
  if (type == 0) static_cast<float*>(data)[i] = value;
  if (type == 1) static_cast<double*>(data)[i] = value;
  if (type == 2) static_cast<_Float16*>(data)[i] = static_cast<_Float16>(value);
  if (type != 14) return;
  float narrow = value;
  std::uint32_t bits;
  std::memcpy(&bits, &narrow, 4);
  static_cast<std::uint16_t*>(data)[i] = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}
}  // namespace

extern "C" int cublasCreate_v2(void** out) {
  handle = Handle();
  *out = &handle;
  return 0;
}

extern "C" int cublasSetStream_v2(void* self, void* stream) {
  if (self != &handle) return NOT_INITIALIZED;
  handle = {stream, nullptr};
  return 0;
}

extern "C" int cublasSetWorkspace_v2(void* self, void* workspace, std::size_t size) {
  if (self != &handle) return NOT_INITIALIZED;
  if (size < (4 << 20) || reinterpret_cast<std::uintptr_t>(workspace) % 256) return INVALID_VALUE;
  handle.workspace = workspace;
  return 0;
}

extern "C" int cublasGemmStridedBatchedEx(void* self, int op_a, int op_b, int m, int n, int k, const void* alpha,
                                          const void* a, int type_a, int lda, long long stride_a, const void* b,
                                          int type_b, int ldb, long long stride_b, const void* beta, void* c, int type_c,
                                          int ldc, long long stride_c, int batch, int compute, int algorithm) {
  if (self != &handle || !handle.stream || !handle.workspace) return NOT_INITIALIZED;
  bool twice = compute == 70;
  if (type_a != type_b || type_b != type_c || twice != (type_c == 1) || algorithm != -1) return INVALID_VALUE;
  if (lda < (op_a ? k : m) || ldb < (op_b ? n : k) || ldc < m || lda < 1 || ldb < 1) return INVALID_VALUE;
  double factor = twice ? *static_cast<const double*>(alpha) : *static_cast<const float*>(alpha);
  double rest = twice ? *static_cast<const double*>(beta) : *static_cast<const float*>(beta);
  if (rest != 0) return INVALID_VALUE;
  for (long long each = 0; each < batch; ++each)
    for (long long column = 0; column < n; ++column)
      for (long long row = 0; row < m; ++row) {
        double total = 0;
        for (long long i = 0; i < k; ++i)
          total += load(a, type_a, each * stride_a + (op_a ? i + row * lda : row + i * lda)) *
                   load(b, type_b, each * stride_b + (op_b ? column + i * ldb : i + column * ldb));
        store(c, type_c, each * stride_c + row + column * ldc, factor * total);
      }
  return 0;
}
