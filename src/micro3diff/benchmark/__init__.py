"""The sampler benchmark: errors against network passes, what sampling alone leaves, memorisation.

docs/benchmarks.md says what the numbers mean. `volumes` makes the volumes, `real` cuts real ones to
compare with, `errors` measures both, `denoisers` the 2D images, `memorisation` looks for copies of
the training slices.
"""
