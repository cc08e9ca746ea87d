"""Command line of the training stages: `python -m tools.starter.train STAGE --folder RUN`."""

import argparse
from pathlib import Path

import cv2
import torch

STAGES = ("autoencoder", "latents", "import", "transformer", "export", "card")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--folder", type=Path, required=True, help="where checkpoints and logs of this run are")
    parser.add_argument("--minutes", type=float, default=20.0, help="planned length; the learning rate ends at zero")
    parser.add_argument("--preset", choices=("cpu", "gpu", "tiny"), default="cpu", help="size of the transformer")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action="store_true", help="compile the blocks of the transformer")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--curriculum", default="whole", help="`pictures`: for a model that knows motion already")
    parser.add_argument("--source", type=Path, default=Path("ckpts/starter"), help="the export that `import` reads")
    parser.add_argument("--target", type=Path, default=Path("ckpts/starter"), help="where `export` writes")
    parser.add_argument("--report", type=Path, help="folder of the report that `card` tells of")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    match arguments.stage:
        case "autoencoder":
            _train_autoencoder(arguments)
        case "latents":
            _measure_latents(arguments)
        case "transformer":
            _train_transformer(arguments)
        case "import":
            from .importing import import_model

            import_model(arguments.source, arguments.folder)
        case "export":
            from .export import export

            export(arguments.folder, arguments.target)
        case "card":
            from .card import write_card

            write_card(arguments.folder, arguments.report, arguments.target)


def _train_autoencoder(arguments: argparse.Namespace) -> None:
    from .autoencoder import AutoencoderPlan, train_autoencoder

    plan = AutoencoderPlan(minutes=arguments.minutes, seed=arguments.seed)
    train_autoencoder(plan, arguments.folder, arguments.device, arguments.resume)


def _measure_latents(arguments: argparse.Namespace) -> None:
    from .autoencoder import load_autoencoder
    from .pool import measure_latents
    from .progress import save_checkpoint

    mean, std = measure_latents(load_autoencoder(arguments.folder))
    save_checkpoint(arguments.folder / "latents.pt", {"mean": mean, "std": std})
    print("mean", [round(x, 3) for x in mean.tolist()], "std", [round(x, 3) for x in std.tolist()])


def _train_transformer(arguments: argparse.Namespace) -> None:
    from .flow_transformer import block_forward
    from .transformer import CURRICULA, TransformerPlan, TransformerTrainer

    plan = TransformerPlan(
        preset=arguments.preset,
        minutes=arguments.minutes,
        seed=arguments.seed,
        curriculum=CURRICULA[arguments.curriculum],
    )
    trainer = TransformerTrainer(plan, arguments.folder, arguments.device, arguments.resume)
    if arguments.compile:
        trainer.compiled_block = torch.compile(block_forward, dynamic=False)
    trainer.train()


if __name__ == "__main__":
    main()
