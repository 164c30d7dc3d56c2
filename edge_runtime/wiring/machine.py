"""The machine as it is now, for who asks how the box is."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import psutil

from edge_runtime import __version__
from edge_runtime.errors import CloudError
from edge_runtime.skills.status import Health, Machine
from edge_runtime.wiring.cloud import spent_now

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.config import Settings
    from edge_runtime.wiring.assembly import Models

_PROCESSORS = ("cpu_thermal", "coretemp", "k10temp", "zenpower", "soc_thermal", "cpu-thermal", "thermal-fan-est")
"""What the kernels of Raspberry Pi, PC and Jetson call the sensor of the processor."""


def machine_of(settings: Settings, models: Models) -> Machine:
    """Return what the box can tell of itself; nothing is measured before it is asked for."""
    manifest = models.manifest

    def spent() -> tuple[float, float] | None:
        if not settings.cloud.enabled:
            return None
        try:
            caps = {cap.name: cap.spent for cap in spent_now(settings)}
        except CloudError:
            return None
        return caps["day"], caps["month"]

    return Machine(
        settings.device.name,
        __version__,
        f"{manifest.name} {manifest.version}",
        [camera.name for camera in settings.cameras],
        lambda: health(settings.device.data_dir.expanduser()),
        addresses,
        spent,
    )


def health(folder: Path) -> Health:
    """Return what the machine measures now; the disk is the one that `folder` is on."""
    while not folder.exists():
        folder = folder.parent
    memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(folder))
    now = time.time()
    return Health(
        _processor_c(),
        (memory.available, memory.total),
        (disk.free, disk.total),
        now - psutil.Process().create_time(),
        now - psutil.boot_time(),
    )


def _processor_c() -> float | None:
    # Only where the kernel has sensors does psutil have the function.
    sensors: dict[str, list[Any]] = getattr(psutil, "sensors_temperatures", dict)()
    found = [reading for name in _PROCESSORS for reading in sensors.get(name, ())]
    return max((float(reading.current) for reading in found), default=None)


def addresses() -> list[str]:
    """Return the IPv4 addresses of this box, without those that only it can reach."""
    states = psutil.net_if_stats()
    return [
        address.address
        for name, found in psutil.net_if_addrs().items()
        if states.get(name) and states[name].isup
        for address in found
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    ]
