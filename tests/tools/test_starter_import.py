"""A training folder made from an export: the same model, its log, and a schedule of its own."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tools.starter.autoencoder import AutoencoderPlan, load_autoencoder, train_autoencoder
from tools.starter.export import export
from tools.starter.importing import import_model
from tools.starter.pool import Bucket, measure_latents
from tools.starter.progress import load_checkpoint, save_checkpoint
from tools.starter.transformer import TransformerPlan, TransformerTrainer

PLAN = TransformerPlan(
    preset="tiny", minutes=1.0, tokens=16, pool_start=2, pool_capacity=4, curriculum=((1.01, {Bucket(1, 64, 64): 1.0}),)
)
CARD = """# starter

| step | minutes | loss | psnr_db | foreground_db |
|---|---|---|---|---|
| 4200 | 15.856 | 0.069826 | 31.585 | 25.785 |

| step | minutes | loss_even | loss_conditioned | rate | largest |
|---|---|---|---|---|---|
| 100 | 10.5 | 1.1501 | nan | 0.003 | 17x64x64 |
| 5580 | 236.5 | 0.30511 | 0.17736 | 0.0001168 | 17x128x128 |
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A tiny model of two steps, exported, with a card."""
    run, target = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("export") / "starter"
    train_autoencoder(AutoencoderPlan(base_dim=8, crops=2, minutes=1e-4), run, "cpu", resume=False)
    mean, std = measure_latents(load_autoencoder(run), count=2)
    save_checkpoint(run / "latents.pt", {"mean": mean, "std": std})
    trainer = TransformerTrainer(PLAN, run, "cpu", resume=False)
    for _ in range(2):
        trainer.train_step()
    trainer.save()
    export(run, target)
    (target / "README.md").write_text(CARD)
    return target


@pytest.fixture(scope="module")
def run(exported, tmp_path_factory):
    folder = tmp_path_factory.mktemp("imported") / "run"
    import_model(exported, folder)
    return folder


def test_an_imported_model_is_exported_as_it_was(exported, run, tmp_path):
    export(run, tmp_path / "again")
    files = sorted(path.relative_to(exported) for path in exported.rglob("*.safetensors"))
    assert len(files) == 3
    for file in files:
        before, after = load_file(exported / file), load_file(tmp_path / "again" / file)
        assert before.keys() == after.keys()
        assert all(torch.equal(value, after[name]) for name, value in before.items()), file
    config = "vae/config.json"
    assert (exported / config).read_text() == (tmp_path / "again" / config).read_text()


def test_its_training_goes_on_where_the_card_ends(run):
    trainer = TransformerTrainer(PLAN, run, "cpu", resume=True)
    assert trainer.step == 5580
    assert trainer.clock.spent_s < 30
    loss, _, _ = trainer.train_step()
    assert np.isfinite(loss)
    rate = trainer.optimizers[0].param_groups[0]["lr"]
    assert rate == pytest.approx(PLAN.muon_rate / PLAN.warmup_steps)
    trainer._report([(loss, True, Bucket(1, 64, 64))])
    rows = (run / "transformer.csv").read_text().splitlines()
    assert rows[2].startswith("5580,236.5,0.30511")
    assert rows[3].startswith("5581,236.5")


def test_its_autoencoder_can_be_trained_on(exported, run):
    assert load_checkpoint(run / "autoencoder.pt")["step"] == 4200
    plan = AutoencoderPlan(base_dim=8, crops=2, minutes=15.86)
    model = train_autoencoder(plan, run, "cpu", resume=True)
    assert next(model.parameters()).isfinite().all()


def test_a_training_run_is_never_written_over(exported, run):
    with pytest.raises(FileExistsError, match=r"transformer\.pt"):
        import_model(exported, run)
