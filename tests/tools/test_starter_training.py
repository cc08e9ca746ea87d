"""The training of the starter model at tiny size: same mathematics as diffusers, and a run that can be resumed."""

import dataclasses

import numpy as np
import pytest
import torch

from tools.starter.autoencoder import AutoencoderPlan, load_autoencoder, to_tensor, train_autoencoder
from tools.starter.conditioning import sample_levels
from tools.starter.export import build_pipeline
from tools.starter.flow_transformer import build_transformer, training_forward
from tools.starter.frame_autoencoder import FrameAutoencoder, to_diffusers
from tools.starter.muon import orthogonalize
from tools.starter.pool import Bucket, ClipPool, measure_latents
from tools.starter.progress import load_checkpoint, save_checkpoint
from tools.starter.scenes import pose, render
from tools.starter.text import build_text_encoder, build_tokenizer, encode_prompts
from tools.starter.transformer import TransformerPlan, TransformerTrainer

TINY = TransformerPlan(
    preset="tiny",
    minutes=1.0,
    tokens=136,
    pool_start=2,
    pool_capacity=4,
    curriculum=((1.01, {Bucket(5, 64, 64): 0.5, Bucket(1, 64, 64): 0.5}),),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run folder with an autoencoder of one step."""
    folder = tmp_path_factory.mktemp("run")
    train_autoencoder(AutoencoderPlan(base_dim=8, crops=2, minutes=1e-4), folder, "cpu", resume=False)
    mean, std = measure_latents(load_autoencoder(folder), count=2)
    save_checkpoint(folder / "latents.pt", {"mean": mean, "std": std})
    return folder


def test_the_2d_autoencoder_equals_the_diffusers_one_on_a_clip():
    torch.manual_seed(0)
    model = FrameAutoencoder(8).eval()
    vae = to_diffusers(model, [0.0] * 16, [1.0] * 16)
    clip = torch.rand(1, 3, 9, 64, 32) * 2 - 1
    with torch.no_grad():
        latents = vae.encode(clip).latent_dist.mode()
        assert latents.shape == (1, 16, 9, 4, 2)
        assert torch.allclose(latents[0].transpose(0, 1), model.encode(clip[0].transpose(0, 1)), atol=1e-5)
        decoded = vae.decode(latents).sample[0].transpose(0, 1)
        assert torch.allclose(decoded, model.decode(latents[0].transpose(0, 1)).clamp(-1, 1), atol=1e-5)


def test_the_training_pass_equals_the_model_with_512_padded_text_tokens():
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    encoder, model = build_text_encoder(len(tokenizer)).eval(), build_transformer("tiny").eval()
    torch.nn.init.normal_(model.proj_out.weight, std=0.05)
    prompts = ["a red ball", "a dog"]
    tokens = tokenizer(prompts, padding="max_length", max_length=512, return_tensors="pt")
    latents = torch.randn(2, 16, 3, 4, 6)
    with torch.no_grad():
        padded = encoder(tokens.input_ids, tokens.attention_mask).last_hidden_state * tokens.attention_mask[..., None]
        text, bias = encode_prompts(tokenizer, encoder, prompts)
        for timestep in (torch.tensor([300.0, 900.0]), torch.rand(2, 18) * 1000):
            expected = model(latents, timestep, padded, return_dict=False)[0]
            assert torch.allclose(training_forward(model, latents, timestep, text, bias), expected, atol=1e-4)


def test_unknown_words_are_spelled_and_case_is_ignored():
    tokenizer = build_tokenizer()
    assert tokenizer("A RED ball").input_ids == tokenizer("a red ball").input_ids
    assert tokenizer.unk_token_id not in tokenizer("a zebra, please!").input_ids


def test_noise_levels_are_even_or_leave_part_of_the_clip_clean():
    rng = np.random.default_rng(0)
    even = sample_levels(rng, 8, (5, 2, 2), even=True)
    assert np.all(even == even[:, :1, :1, :1])
    conditioned = sample_levels(rng, 200, (5, 2, 2), even=False)
    clean = (conditioned == 0).mean(axis=(1, 2, 3))
    assert np.all(clean < 1)
    assert 0.7 < (clean > 0).mean() < 1.0


def test_orthogonalized_matrices_have_singular_values_near_one():
    values = torch.linalg.svdvals(orthogonalize(torch.randn(3, 16, 48)))
    assert values.min() > 0.5
    assert values.max() < 1.5


def test_training_resumes_where_its_checkpoint_was_written(folder):
    first = TransformerTrainer(TINY, folder, "cpu", resume=False)
    for _ in range(3):
        loss, _, bucket = first.train_step()
        assert np.isfinite(loss)
        assert bucket.height == 64
    first.save()
    second = TransformerTrainer(dataclasses.replace(TINY, seed=5), folder, "cpu", resume=True)
    assert second.step == 3
    assert second.clock.spent_s >= first.clock.planned_s * first.clock.share * 0.5
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name])
    second.train_step()
    assert second.step == 4


def test_the_exported_pipeline_makes_a_clip(folder):
    pipeline = build_pipeline(folder, preset="tiny")
    pipeline.set_progress_bar_config(disable=True)
    output = pipeline(prompt="a red ball", height=32, width=64, num_frames=1, num_inference_steps=2, output_type="np")
    assert output.frames.shape[2:] == (32, 64, 3)


def test_pictures_show_how_a_clip_begins_with_room_for_its_motion(folder):
    latents = load_checkpoint(folder / "latents.pt")
    pool = ClipPool(load_autoencoder(folder), latents["mean"], latents["std"], capacity=200)
    bucket = Bucket(1, 32, 32)
    pool.add(bucket, 150, np.random.default_rng(0))
    drawn, scenes = pool.draw(bucket, 150, np.random.default_rng(1))
    assert drawn.shape == (150, 16, 1, 2, 2)
    for scene in scenes:
        for frame in (0, 16):
            x, y, radius, _ = pose(scene.subjects[0], frame, 100, 100)
            assert radius <= min(x, y, 100 - x, 100 - y) + 1, scene


def test_the_pool_encodes_clips_as_the_autoencoder_does_alone(folder):
    latents = load_checkpoint(folder / "latents.pt")
    pool = ClipPool(load_autoencoder(folder), latents["mean"], latents["std"], capacity=4)
    bucket = Bucket(5, 64, 32)
    pool.add(bucket, 3, np.random.default_rng(0))
    drawn, scenes = pool.draw(bucket, 3, np.random.default_rng(1))
    for clip, scene in zip(drawn, scenes, strict=True):
        frames = to_tensor(render(scene, 5, 64, 32)[0])
        with torch.no_grad():
            alone = load_autoencoder(folder).encode(frames)
        alone = (alone - latents["mean"].view(1, -1, 1, 1)) / latents["std"].view(1, -1, 1, 1)
        assert torch.allclose(clip.transpose(0, 1), alone, atol=0.1)
