"""Reads clocks, memory and the profiler while a trainer trains."""

import resource
import time
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from transformers import TrainerCallback

_GIB = 2**30
_HOST_READS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::_unique2"}
"""What waits for a GPU's result in order to go on: counted on the CPU, where nothing waits."""
_SYNCHRONISES = {"cudaStreamSynchronize", "cudaEventSynchronize", "cudaMemcpy"}
_LAUNCHES_NOTHING = {
    "aten::view", "aten::_unsafe_view", "aten::as_strided", "aten::empty", "aten::empty_strided",
    "aten::resize_", "aten::set_", "aten::detach", "aten::alias", "aten::unbind", "aten::lift_fresh",
}  # fmt: skip


class Clock(TrainerCallback):
    """Seconds, peak memory and counts of steps 2 to 1 + `steps`, from the end of one step to that of another.

    What happens between steps, reading rows and writing answers, is in it; logging is not.

    Attributes:
        seconds: Wall clock of the timed steps together.
        cpu_seconds: Of all threads of this process.
        peak_gib: On CUDA what tensors took at most, else the largest resident size.
        before_gib: The same when `train` was called.
        counts: `kernels` and `synchronisations` of one step; empty without `profiled`.
        logged: What the trainer logged.
    """

    def __init__(self, steps: int, device: str, profiled: bool) -> None:
        """Take the number of steps to time, and whether one more runs under the profiler."""
        self._last, self._cuda, self._profiled = 1 + steps, device == "cuda", profiled
        self._profile: profile | None = None
        self._begun = (0.0, 0.0)
        self.seconds = self.cpu_seconds = self.peak_gib = self.before_gib = 0.0
        self.counts: dict[str, int] = {}
        self.logged: dict[str, Any] = {}

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Note what model and data take."""
        self.before_gib = self._forget_peak()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start or stop what is due."""
        if state.global_step == 1:
            self._forget_peak()
            self._begun = self._now()
        elif state.global_step == self._last:
            wall, cpu = self._now()
            self.seconds, self.cpu_seconds = wall - self._begun[0], cpu - self._begun[1]
            self.peak_gib = self._peak()
            if self._profiled:
                activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self._cuda else [])]
                self._profile = profile(activities=activities)
                self._profile.start()
        elif self._profile is not None:
            self._profile.stop()
            self.counts = count_events(self._profile, self._cuda)
            self._profile = None

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        """Keep what is logged, such as the length of the answers written."""
        self.logged |= logs

    def _now(self) -> tuple[float, float]:
        if self._cuda:
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()

    def _forget_peak(self) -> float:
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
            return torch.cuda.memory_allocated() / _GIB
        forget = Path("/proc/self/clear_refs")
        if forget.exists():
            forget.write_text("5", encoding="ascii")
        return _resident("VmRSS")

    def _peak(self) -> float:
        return torch.cuda.max_memory_allocated() / _GIB if self._cuda else _resident("VmHWM")


def _resident(field: str) -> float:
    """GiB of this process; without /proc the peak of its whole life."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lines = status.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 2**20


def count_events(profiled: profile, cuda: bool) -> dict[str, int]:
    """Kernels and synchronisations of what was profiled.

    On CUDA: kernels as launched, and calls in which the host waits. On the CPU: operators that would launch a
    kernel, and those whose result the host would wait for.
    """
    events = list(profiled.events())
    if cuda:
        on_device = [each for each in events if str(each.device_type).endswith("CUDA")]
        kernels = [each for each in on_device if not each.name.startswith(("Memcpy", "Memset"))]
        return {
            "kernels": len(kernels),
            "synchronisations": sum(each.name in _SYNCHRONISES for each in events),
        }
    operators = [each for each in events if each.name.startswith("aten::") and not each.cpu_children]
    return {
        "kernels": sum(each.name not in _LAUNCHES_NOTHING for each in operators),
        "synchronisations": sum(each.name in _HOST_READS for each in operators),
    }
