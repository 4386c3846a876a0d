"""Train many models as one program, β × seed and whatever else varies; leave a table, the curve and the pictures.

Without flags: six βs and three seeds of a VAE on scikit-learn's real 8x8 digits, offline, in under two minutes on two
cores. More: python experiments/sweep.py --data mnist --betas 0.5 1 2 4 --seeds 5 --vary learning_rate=1e-3,3e-4
"""

import os
import time
from dataclasses import replace
from pathlib import Path

from vae_jax.command_line import command
from vae_jax.experiment import tables
from vae_jax.run_folder import RunFolder, free_folder
from vae_jax.sweep.cells import SweepConfig


def main(config: SweepConfig) -> None:
    import jax

    jax.config.update("jax_num_cpu_devices", config.devices or os.cpu_count() or 1)

    from vae_jax import sweep
    from vae_jax.sweep import cells, folder, hosts, pictures, results

    if config.distributed or config.coordinator:
        hosts.join(config.coordinator, config.processes, config.process)
    out = config.out or free_folder(Path("runs") / f"{Path(config.data).stem}-sweep", resume=config.resume)
    found = cells.cells(config)
    first = jax.process_index() == 0
    record = RunFolder(out, replace(config, out=out), resume=config.resume, free=cells.FREE) if first else None
    devices = jax.local_devices()[: config.devices]
    started = time.perf_counter()
    here = [row for cell in found for row in folder.train_cell(out / "checkpoints", cell, config, devices)]
    rows = results.in_order(hosts.gather(here))
    if record is None:
        return
    seconds = time.perf_counter() - started

    entries = sweep.settings(rows)
    results.write_csv(rows, out / "results.csv")
    record.summarise({"settings": entries, "models": len(rows), "seconds": seconds})
    betas = [row["beta"] for row in rows if "beta" in row and row["beta"] > 0]
    exact = pictures.exact_curve(found[0].experiment, betas=betas) if betas and len(found) == 1 else None
    sweep.rate_distortion(entries, out / "rate_distortion.png", exact=exact)
    chosen = results.first_of_each(rows, "beta")
    if found[0].experiment.images and chosen:
        sweep.traversals([folder.load(out, **row) for row in chosen], out / "traversals.png")
    print(report(entries, len(rows), seconds, out))


def report(entries: list, models: int, seconds: float, out: Path) -> str:
    """The closing table, and where to look."""
    from vae_jax.sweep.pictures import half_width, setting_of

    varied = [name for name in setting_of(entries[0]) if len({entry.get(name) for entry in entries}) > 1] or ["beta"]
    measures = ("rate", "distortion", "negative_elbo", "active_units")
    lines = ["".join(f"{name:>16}" for name in (*varied, *measures))]
    for entry in entries:
        line = "".join(f"{entry.get(name, '')!s:>16}" for name in varied)
        for name in measures:
            mean = entry[name]["mean"]
            line += f"{f'{mean:.2f} ± {half_width(entry[name]):.2f}':>16}"
        lines.append(line + (f"   {entry['diverged']} diverged" if entry["diverged"] else ""))
    lines.append(f"{models} models in {seconds:.1f} s; ±: 95 % interval over seeds. Nats per test image.")
    return "\n".join(
        ["", *lines, f"See {out / 'rate_distortion.png'}, {out / 'traversals.png'} and {out / 'results.csv'}."]
    )


if __name__ == "__main__":
    command(main, SweepConfig, f"{__doc__}\n{tables()}")
