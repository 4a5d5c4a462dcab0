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
