"""The peers: each module makes, for a workload and its data, a function that does one step and returns its loss."""
