"""Benchmarks: whole training steps of the workloads this project is for, with peers beside it in the same run."""
