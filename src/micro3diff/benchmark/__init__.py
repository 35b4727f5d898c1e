"""The sampler benchmark: errors against network passes, what sampling alone leaves, memorisation.

docs/benchmarks.md says what the numbers mean. `real` cuts real volumes to compare with, `errors`
measures them and generated ones, `denoisers` the 2D images, `memorisation` looks for copies of the
training slices.
"""
