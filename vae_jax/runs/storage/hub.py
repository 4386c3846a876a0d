"""Runs on the Hugging Face Hub: the folder as it is, with its card; the `[export]` extra."""

from pathlib import Path
from typing import Any

from vae_jax.errors import InputError, first_line

HUB = "hf:"  # before the name of a repository
LEFT_OUT = [".lock", "tensorboard/*", "samples/*", "reconstructions/*", "wandb/*"]


def push(folder: Path, repository: str, *, private: bool = True) -> str:
    """Upload the folder of a run or a sweep, with its README.md as the card.

    Args:
      folder: the `--out` of `train.py` or `sweep.py`.
      repository: `user/name`; created if it does not exist.
      private: whether only its owner sees it.

    Returns:
      What to pass to `vae_jax.load` to read it back.

    Raises:
      InputError: the package is not installed, or the Hub refuses or cannot be reached.
    """
    hub = _package()
    try:
        api = hub.HfApi()
        api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=str(folder), ignore_patterns=LEFT_OUT)
    except Exception as error:
        raise InputError(f"{folder} could not be uploaded to {repository} ({first_line(error)}).") from error
    return f"{HUB}{repository}"


def pull(repository: str) -> Path:
    """The folder of a run that was pushed, in the Hub's cache on this machine.

    Raises:
      InputError: the package is not installed, there is no such repository, or it cannot be reached.
    """
    hub = _package()
    try:
        return Path(hub.snapshot_download(repository))
    except Exception as error:
        raise InputError(f"{HUB}{repository} cannot be had ({first_line(error)}).") from error


def _package() -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise InputError("the Hub needs its package; pip install 'vae-jax[export]'.") from None
    return huggingface_hub
