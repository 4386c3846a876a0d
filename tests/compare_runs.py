"""Whether two versions of the code train the same bits: `python tests/compare_runs.py OTHER_CHECKOUT [NAME …]`.

Every setting below is trained by the scripts of both checkouts, and what they leave is compared to the byte: rows,
parameters, optimiser states, names of arrays and of parts, tables of sweeps. What is trained already is not trained
again: delete the folder `--out` to begin anew.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent.parent
SHORT = "--epochs 3 --hidden 32 --latent 4"
RUNS = {
    "vae": SHORT,
    "beta-tc": f"--loss beta-tc {SHORT}",
    "factor": f"--loss factor {SHORT}",
    "iwae-dreg": f"--loss iwae-dreg {SHORT}",
    "dip-i": f"--loss dip-i {SHORT}",
    "info-vae": f"--loss info-vae {SHORT}",
    "cvae": f"--loss cvae {SHORT}",
    "ae": f"--loss ae {SHORT}",
    "capacity": f"--loss capacity {SHORT}",
    "sparse-rate": f"--loss sparse-rate {SHORT}",
    "wae-mmd": f"--loss wae-mmd {SHORT}",
    "vamp": f"--prior vamp {SHORT}",
    "mixture": f"--prior mixture {SHORT}",
    "label": f"--loss cvae --prior label {SHORT}",
    "conv": "--model conv --epochs 2 --hidden 16 --latent 4",
    "gaussian-learned": f"--likelihood gaussian-learned {SHORT}",
    "gaussian-pixel": "--likelihood gaussian-pixel --model conv --epochs 2 --hidden 16 --latent 4",
    "average": f"--ema 0.9 --schedule cosine --clip-norm 10 {SHORT}",
    "accumulate": f"--accumulate 3 --optimizer adamw --patience 2 {SHORT}",
    "bfloat16": f"--precision bfloat16 --preprocess dynamic {SHORT}",
    "own": f"--data own.npy --standardise --likelihood gaussian-learned --batch-size 16 {SHORT}",
    "counts": f"--data counts.npy --likelihood negative-binomial --batch-size 16 {SHORT}",
}
SWEEPS = {
    "sweep": f"--betas 0.5 2 --seeds 2 --vary learning_rate=1e-3,3e-4 {SHORT}",
    "sweep-sizes": "--loss factor --vary gamma=1,10 latent=2,3 --seeds 1 --epochs 2 --hidden 16",
    "sweep-choices": "--data own.npy --batch-size 16 --betas 1 --vary likelihood=gaussian-learned,gaussian-pixel "
    f"{SHORT}",
}
FREE = ("seconds", "images_per_second", "format")  # of what a command summarises


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="a checkout of the version to compare with")
    parser.add_argument("names", nargs="*", help="which settings; all by default")
    parser.add_argument("--out", type=Path, default=Path("runs/compared"), help="where both leave their runs")
    given = parser.parse_args()
    wrong = 0
    for name in given.names or [*RUNS, *SWEEPS]:
        before = trained(name, given.other.resolve(), given.out / "before")
        after = trained(name, HERE, given.out / "after")
        differences = compared(left(before), left(after))
        wrong += bool(differences)
        print(f"{name:<20}{'equal' if not differences else '; '.join(differences[:5])}", flush=True)
    sys.exit(f"{wrong} differ" if wrong else None)


def trained(name: str, checkout: Path, out: Path) -> Path:
    """The folder of a setting, trained there unless it is there already."""
    folder = out / name
    if not (folder / "summary.json").exists():
        out.mkdir(parents=True, exist_ok=True)
        write_data(out)
        script, flags = ("train", RUNS[name]) if name in RUNS else ("sweep", SWEEPS[name] + " --devices 1")
        command = [sys.executable, str(checkout / "experiments" / f"{script}.py"), *flags.split(), "--out", name]
        paths = {**os.environ, "PYTHONPATH": str(checkout), "TQDM_DISABLE": "1"}
        done = subprocess.run(command, cwd=out, env=paths, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name} in {checkout}: {done.stderr[-2000:]}")
    return folder


def write_data(out: Path) -> None:
    """Rows of features and of counts, the same in both."""
    random = np.random.RandomState(0)
    np.save(out / "own.npy", random.randn(200, 6).astype(np.float32) @ np.diag([1.0, 20, 3, 0.1, 5, 9]) + 7)
    np.save(out / "counts.npy", random.poisson(4.0, (200, 6)))


def left(folder: Path) -> dict[str, Any]:
    """What a command left that may not change: text by file, bytes by array."""
    found: dict[str, Any] = {}
    for name in ("metrics.jsonl", "results.csv"):
        if (folder / name).exists():
            found[name] = (folder / name).read_text()
    summary = json.loads((folder / "summary.json").read_text())
    found["summary.json"] = {name: value for name, value in summary.items() if name not in FREE}
    for part in sorted((folder / "checkpoints").glob("*/part.json")):
        content = json.loads(part.read_text())
        found[f"part {part.parent.name}"] = {n: v for n, v in content.items() if n not in ("model", "sha256")}
        epochs = [path for path in (part.parent / "states").iterdir() if path.is_dir()]
        newest = max(epochs, key=lambda path: int(path.name))
        for array, value in arrays_of(newest).items():
            found[f"{part.parent.name}/{newest.name}/{array}"] = (str(value.dtype), value.shape, value.tobytes())
    return found


def arrays_of(checkpoint: Path) -> dict[str, np.ndarray]:
    from orbax.checkpoint import v1 as ocp

    path = str(checkpoint.resolve())
    saved: Any = ocp.metadata(path).metadata
    arrays: Any = ocp.load(path, {name: np.empty(leaf.shape, leaf.dtype) for name, leaf in saved.items()})
    return {name: np.asarray(array) for name, array in arrays.items()}


def compared(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What is missing, new or other."""
    lines = [f"{name} is missing" for name in before if name not in after]
    lines += [f"{name} is new" for name in after if name not in before]
    return lines + [f"{name} differs" for name in before if name in after and before[name] != after[name]]


if __name__ == "__main__":
    main()
