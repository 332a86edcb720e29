"""Train a model: ``python -m qupaint_lib.train --data qmat --out run --preset nano``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qupaint_lib.errors import ArgumentError, QuPaintError

_EPILOG = """\
The three stages of the shipped model, of images and dialogues that
  python -m qupaint_lib.instruct --out qmat -n 40000 --seed 7 --shape 224 224 --crystals 1 10 \\
      --dialogues 1 --form short --tasks count --splits train=0.95 validation=0.01 test=0.04
makes:
  python -m qupaint_lib.train --data qmat --out vision --preset dense --set max_steps=1100
  python -m qupaint_lib.train --data qmat --out regions --preset regions --model vision
  python -m qupaint_lib.train --data qmat --out nano --preset nano --vision regions \\
      --set max_steps=16150

Fine-tuning the paper's way, on one device, on eight and on a cluster:
  python -m qupaint_lib.train --data qmat --out tuned --preset paper --model FOLDER_OR_HUB_ID
  accelerate launch --config_file qupaint_lib/data/launch/fsdp2.yaml \\
      -m qupaint_lib.train --data qmat --out tuned --preset paper --model FOLDER_OR_HUB_ID
  sbatch --nodes 2 qupaint_lib/data/launch/train.slurm qmat tuned FOLDER_OR_HUB_ID

The same command again goes on where it was interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 if all went well, 2 for what is not allowed, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except QuPaintError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command again goes on from there", file=sys.stderr)
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    from qupaint_lib.model import QuPaint, load_nano, load_released
    from qupaint_lib.train import Images, TrainConfig, start_nano, take_vision, train

    config = TrainConfig.preset(options.preset, **_changes(options.set))
    folder = Path(options.data)
    images = Images(folder / "train")
    checks = folder / "validation"
    if options.model is None:
        keys = ("size", "image_size", "patch_size", "pia_variant")
        shape = {key: getattr(options, key) for key in keys}
        vision = QuPaint.from_pretrained(options.vision) if options.vision else None
        assistant = start_nano(images, config, vision=vision, **shape)
    elif options.model == "nano":
        assistant = load_nano()
    elif options.released:
        assistant = load_released(options.model)
        assistant.model.model.pia_gate.set_(1.0, 2.0)  # an open gate has no gradient
    else:
        assistant = QuPaint.from_pretrained(options.model)
    if options.model and options.vision:
        take_vision(assistant.model.model, QuPaint.from_pretrained(options.vision).model.model)
    validation = checks if any(checks.glob("*.parquet")) else None
    train(assistant, folder / "train", options.out, config, validation=validation)
    print(f"weights, processor and {Path(options.out, 'training.json')} are written")


def _changes(texts: Sequence[str]) -> dict[str, Any]:
    """Return attributes of a configuration from texts such as ``learning_rate=1e-4``."""
    changes = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not mark:
            raise ArgumentError("set", text, "name=value")
        try:
            changes[name] = json.loads(value)
        except ValueError:
            changes[name] = value
    return changes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m qupaint_lib.train",
        description="Train a QuPAINT model on a data set of qupaint_lib.instruct.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", required=True, help="folder with the splits train and, if any, validation")
    add("--out", required=True, help="new folder, or one to go on with")
    add("--preset", default="paper", help="paper, lora, dense, regions or nano (%(default)s)")
    add("--model", help="folder, Hub id, or nano; without it a new small model")
    add("--vision", help="folder of a dense run, or one of regions: what the model sees with")
    add("--released", action="store_true", help="--model has the authors' released layout")
    add("--size", default="micro", help="of a new model (%(default)s)")
    add("--image-size", type=int, default=224, help="of a new model, px (%(default)s)")
    add("--patch-size", type=int, default=16, help="of a new model, px (%(default)s)")
    add("--pia-variant", default="gate", help="of a new model (%(default)s)")
    add("--set", nargs="*", default=[], metavar="NAME=VALUE", help="attributes of TrainConfig")
    return parser


if __name__ == "__main__":
    sys.exit(main())
