"""Reference kernels: correct on any Array-API library, and what the faster ones are tested against."""
