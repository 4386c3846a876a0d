"""The flags of the commands, in the groups that `--help` shows."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class DataFlags:
    """What is learned from."""

    data: str = "digits"
    """Data set: digits, sprites or rooms (offline), mnist, fashion_mnist, binarized_mnist; any image set of TFDS, as in
    emnist/letters; hf:NAME of Hugging Face; or your own: a folder of images, a table (.csv, .tsv, .parquet, .feather),
    an .npz (x, optionally y) or an .npy."""
    id: str | None = None
    """Of a table: the column with what its rows are called."""
    label: str | None = None
    """Of a table: the column of classes, which is learned from only by a conditional loss. Of an .npz: its y."""
    columns: tuple[str, ...] = ()
    """Of a table: the columns to learn from. Default: all but those of --id, --label and --drop, and one called split
    that says train, validation or test."""
    drop: tuple[str, ...] = ()
    """Of a table: columns to leave out."""
    validation: str | None = None
    """Of your own data: the share to hold out for validation, or a file or folder of its own. Default: the part that
    the data have, else 0.1."""
    test: str | None = None
    """Of your own data: the share to hold out for testing, or a file or folder of its own. Default: likewise."""
    split: str = "stratified"
    """How examples of your own are held out: stratified (in proportion to their classes) or random."""
    size: int | None = None
    """Crop images to the square in their middle and resize them to so many pixels a side."""
    skip_broken: bool = False
    """Leave out the files of a folder that cannot be read, instead of ending there."""
    standardise: bool | None = None
    """Rows of features: subtract each one's mean and divide by its standard deviation, both of the training part. The
    model's outputs are in the units of the data again. Default: for tables, and for rows beyond 0..1."""
    manual_dir: Path | None = None
    """Folder with a data set's original files, in place of a download. Checksums are verified either way."""
    preprocess: str = "grey"
    """What the model sees: grey (pixels in [0, 1]), dynamic (a fresh binary draw each time) or static (1 where ≥ ½)."""


@dataclass(frozen=True, kw_only=True)
class ModelFlags:
    """The model and its loss."""

    loss: str = "vae"
    """Objective to minimise; the list is above."""
    beta: float | None = None
    """Weight of the KL term, nats against nats; 1 is the ELBO, 0 trains a noisy autoencoder. Default: the loss's own,
    1 for vae."""
    warmup_epochs: float | None = None
    """Epochs over which β rises from 0. Default: none."""
    beta_cycles: int | None = None
    """Times that β rises from 0 during the run, each time over half a cycle (Fu et al. 2019). Default: never, or once
    with --warmup-epochs."""
    set: tuple[str, ...] = ()
    """Other hyperparameters and sizes of the loss, optimiser and schedule, as in --set gamma=100 capacity=25."""
    latent: int = 10
    """Latent dimensions."""
    model: str = "dense"
    """Networks: dense, conv (Burgess 2018) or linear."""
    hidden: tuple[int, ...] | None = None
    """Widths of the hidden layers from the image inwards; the decoder mirrors them. Default: 400 (dense), 256 256
    (conv)."""
    posterior: str | None = None
    """q(z|x): normal (diagonal), point (an autoencoder's code) or rates (a code in (0, 1)). Default: the loss's own."""
    likelihood: str | None = None
    """p(x|z). Of pixels: bernoulli (cross-entropy), continuous-bernoulli (its normalised form), logistic (256 grey
    levels), logistic-mixture. Of any numbers: gaussian (σ = 1, squared error), gaussian-learned (one σ),
    gaussian-optimal (σ from the squared error), gaussian-pixel (μ and σ of each). Of counts: poisson,
    negative-binomial. Default: the loss's own, mostly bernoulli."""
    prior: str = "normal"
    """p(z): normal (N(0, I)), mixture (of 20 normals, learned), vamp (of the posteriors of 100 learned pseudo-inputs)
    or label (a learned normal for each label, for cvae)."""
    initializer: str = "lecun"
    """Initial kernels: lecun (variance 1/fan_in) or uniform (within ±1/√fan_in, PyTorch's default)."""
    from_: Path | None = None
    """Start at the weights of the model in this folder of a run or sweep, in its units and with its networks, loss and
    likelihood unless others are given. Default: at random."""
    start: str | None = None
    """Initial output of the decoder: zero, or data (the mean of the training data, and their spread where the
    likelihood learns one). Default: data for likelihoods that would be far off, gaussian-learned, gaussian-pixel,
    poisson and negative-binomial; zero for the others, as published settings have it."""


@dataclass(frozen=True, kw_only=True)
class TrainingFlags:
    """How it is trained."""

    epochs: int | None = None
    """Passes over the training images. Default: 100 for digits, 15 for larger sets."""
    steps: int | None = None
    """Instead of --epochs: steps, rounded up to whole epochs."""
    minutes: float | None = None
    """Stop after the epoch in which so many minutes of training are over."""
    patience: int | None = None
    """Stop once the objective on validation images, with all ramps complete, has not improved for so many epochs, and
    keep the model of the best one."""
    batch_size: int = 128
    """Images per step."""
    accumulate: int = 1
    """Steps whose gradients are averaged into one update."""
    optimizer: str = "adam"
    """Optimiser, as optax has it; rmsprop is centred."""
    learning_rate: float = 1e-3
    """Learning rate of the optimiser."""
    schedule: str = "constant"
    """What becomes of the learning rate: constant, warmup, cosine, or stages (Burda et al. 2016)."""
    warmup_steps: float | None = None
    """Steps over which the learning rate rises from 0, for any --schedule but constant."""
    weight_decay: float | None = None
    """Decoupled weight decay, for adamw and lion."""
    clip_norm: float | None = None
    """Scale gradients down whose norm over all parameters is larger than this."""
    ema: float | None = None
    """Average the weights with this decay, as in 0.999; the average is evaluated, and saved beside the weights."""
    seed: int = 0
    """Seed of the initial weights, the order of the data, and all noise."""
    precision: str = "float32"
    """In which the networks compute: float32 or bfloat16. Parameters, losses and the optimiser's state are float32."""
    on_nonfinite: str = "stop"
    """What to do where the loss, a parameter or the optimiser's state becomes NaN or infinite: stop, or skip that
    update and go on."""


@dataclass(frozen=True, kw_only=True)
class OutputFlags:
    """Where results go."""

    out: Path | None = None
    """Folder for the results. Default: runs/DATA-LOSS, numbered if it is taken."""
    resume: bool = False
    """Continue the run in --out (by default the newest) from its last checkpoint."""
    tracker: tuple[str, ...] = ()
    """Where else metrics go, if it is installed: wandb, mlflow. TensorBoard events are always written."""


@dataclass(frozen=True, kw_only=True)
class DeviceFlags:
    """What it runs on."""

    devices: int | None = None
    """Devices of this machine to use. A run divides each batch over them, by default over one; a sweep divides its
    models, by default over all, and on a CPU over one for each core."""
    stream: bool = False
    """Read training images as training goes, with Grain, and keep none but the next few on the device: the same
    numbers, a little slower. Where they do not fit there, this is what happens; for one model, not for a sweep."""
    distributed: bool = False
    """Join the other processes of this job (detected under SLURM, Open MPI, Kubernetes) and use the devices of all."""
    coordinator: str | None = None
    """With --distributed where no cluster is detected: address:port of process 0."""
    processes: int | None = None
    """With --coordinator: how many processes there are."""
    process: int | None = None
    """With --coordinator: which of them this is, from 0."""


@dataclass(frozen=True, kw_only=True)
class SweepFlags:
    """What is varied."""

    betas: tuple[float, ...] = ()
    """Values of β. Default: 0.25 0.5 1 2 4 8, where the loss has a β."""
    seeds: int = 3
    """How many seeds each setting is trained with: --seed and those after it."""
    vary: tuple[str, ...] = ()
    """Other things to vary, crossed with the rest, as in --vary learning_rate=1e-3,3e-4 gamma=10,100 latent=5,10.
    Hyperparameters run side by side in one program; sizes and choices (latent, model, loss, …) one after another."""
    chunk: int | None = None
    """Models trained at a time. Default: as many as fit in memory."""
    over: str = "shard_map"
    """How models spread over devices: shard_map, or pmap."""
