"""The devices that a command uses: of this machine, or of all processes of a job."""

from typing import Any, cast

import jax

from vae_jax.errors import InputError
from vae_jax.hyperparameter import check, declared, size
from vae_jax.runs.configuration.config import Config
from vae_jax.runs.process import hosts


def devices_of(config: Config, *, by_default: int) -> tuple[Any, ...]:
    """Join the other processes, if there are any, and choose the devices. Must come before JAX touches one.

    Args:
      config: with the flags `devices`, `distributed` and those that go with it.
      by_default: how many CPU devices this process has without `--devices`; accelerators are counted by JAX.

    Raises:
      InputError: fewer devices than asked for, or processes that cannot be joined.
    """
    if config.devices is not None:
        known = declared({"devices": size(1)})
        check("devices", config.devices, known, owner="a command", given=f"--devices {config.devices}")
    if config.coordinator is None and (config.processes, config.process) != (None, None):
        raise InputError("--processes and --process go with --coordinator address:port; give it too.")
    wanted, flags = config.devices or by_default, cast(Any, jax.config)
    if wanted > 1 and flags.jax_num_cpu_devices != wanted:  # once is enough, and only once is allowed
        jax.config.update("jax_num_cpu_devices", wanted)
    if config.distributed or config.coordinator:
        hosts.join(config.coordinator, config.processes, config.process)
    if jax.process_count() > 1:
        return tuple(jax.devices())
    if config.devices is not None and config.devices > len(jax.devices()):
        raise InputError(f"--devices {config.devices}: this machine has {len(jax.devices())}.")
    return tuple(jax.devices()[: config.devices])
