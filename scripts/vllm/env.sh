# Settings for vLLM on CPUs; source it. A GPU needs none of them.
export VLLM_CPU_KVCACHE_SPACE="${VLLM_CPU_KVCACHE_SPACE:-2}"                  # GiB
# The default, `auto`, keeps one core back: on two cores generation is six times slower.
export VLLM_CPU_OMP_THREADS_BIND="${VLLM_CPU_OMP_THREADS_BIND:-0-$(($(nproc) - 1))}"
export HF_HUB_OFFLINE=1 VLLM_LOGGING_LEVEL=WARNING VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1
# One process: by default the engine spins on a core while its worker, bound to the same cores, computes.
export VLLM_ENABLE_V1_MULTIPROCESSING="${VLLM_ENABLE_V1_MULTIPROCESSING:-0}" OMP_NUM_THREADS="$(nproc)"
