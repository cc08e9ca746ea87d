"""The autoencoder as a plain 2-D network, and its way into `AutoencoderKLWan`.

`AutoencoderKLWan` is causal in time: each 3x3x3 convolution sees two past frames. Here those two taps are zero, so
every frame is encoded and decoded alone; then a 2-D network with the same parameter names computes the same, faster.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Z_DIM = 16
PATCH_SIZE = 4
SCALE = 16
POSTERIOR_LOGVAR = -10.0


def autoencoder_config(base_dim: int) -> dict:
    """Arguments of `AutoencoderKLWan`: 16x smaller in space, as many latent frames as frames."""
    return {
        "base_dim": base_dim,
        "z_dim": Z_DIM,
        "dim_mult": [1, 2, 2],
        "num_res_blocks": 1,
        "attn_scales": [],
        "temperal_downsample": [False, False],
        "is_residual": True,
        "in_channels": 3 * PATCH_SIZE**2,
        "out_channels": 3 * PATCH_SIZE**2,
        "patch_size": PATCH_SIZE,
        "scale_factor_temporal": 1,
        "scale_factor_spatial": SCALE,
    }


class ChannelNorm(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x.float(), dim=1).to(x.dtype) * (self.gamma.shape[0] ** 0.5 * self.gamma).to(x.dtype)


class ResidualBlock(nn.Module):
    def __init__(self, in_dim: int, out_dim: int):
        super().__init__()
        self.norm1 = ChannelNorm(in_dim)
        self.conv1 = nn.Conv2d(in_dim, out_dim, 3, padding=1)
        self.norm2 = ChannelNorm(out_dim)
        self.conv2 = nn.Conv2d(out_dim, out_dim, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(in_dim, out_dim, 1) if in_dim != out_dim else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return h + self.conv_shortcut(x)


class AttentionBlock(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.norm = ChannelNorm(dim)
        self.to_qkv = nn.Conv2d(dim, dim * 3, 1)
        self.proj = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, dim, height, width = x.shape
        qkv = self.to_qkv(self.norm(x)).flatten(2).transpose(1, 2).unsqueeze(1)
        out = F.scaled_dot_product_attention(*qkv.chunk(3, dim=-1))
        return x + self.proj(out.squeeze(1).transpose(1, 2).reshape(batch, dim, height, width))


class MidBlock(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.resnets = nn.ModuleList([ResidualBlock(dim, dim), ResidualBlock(dim, dim)])
        self.attentions = nn.ModuleList([AttentionBlock(dim)])

    def forward(self, x: Tensor) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Resample(nn.Module):
    """Halves (`down`) or doubles height and width with a 3x3 convolution."""

    def __init__(self, dim: int, down: bool):
        super().__init__()
        first = nn.ZeroPad2d((0, 1, 0, 1)) if down else nn.Upsample(scale_factor=2, mode="nearest-exact")
        conv = nn.Conv2d(dim, dim, 3, stride=2) if down else nn.Conv2d(dim, dim, 3, padding=1)
        self.resample = nn.Sequential(first, conv)

    def forward(self, x: Tensor) -> Tensor:
        return self.resample(x)


class DownBlock(nn.Module):
    def __init__(self, in_dim: int, out_dim: int, down: bool):
        super().__init__()
        self.resnets = nn.ModuleList([ResidualBlock(in_dim, out_dim)])
        self.downsampler = Resample(out_dim, down=True) if down else None
        self.out_dim = out_dim

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.pixel_unshuffle(x, 2) if self.downsampler is not None else x
        shortcut = shortcut.unflatten(1, (self.out_dim, -1)).mean(dim=2)
        h = self.resnets[0](x)
        return (self.downsampler(h) if self.downsampler is not None else h) + shortcut


class UpBlock(nn.Module):
    def __init__(self, in_dim: int, out_dim: int, up: bool):
        super().__init__()
        self.resnets = nn.ModuleList([ResidualBlock(in_dim, out_dim), ResidualBlock(out_dim, out_dim)])
        self.upsampler = Resample(out_dim, down=False) if up else None
        self.repeats = out_dim * 4 // in_dim

    def forward(self, x: Tensor) -> Tensor:
        h = self.resnets[1](self.resnets[0](x))
        if self.upsampler is None:
            return h
        return self.upsampler(h) + F.pixel_shuffle(x.repeat_interleave(self.repeats, dim=1), 2)


class Encoder(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.conv_in = nn.Conv2d(3 * PATCH_SIZE**2, dim, 3, padding=1)
        self.down_blocks = nn.ModuleList(
            [DownBlock(dim, dim, True), DownBlock(dim, 2 * dim, True), DownBlock(2 * dim, 2 * dim, False)]
        )
        self.mid_block = MidBlock(2 * dim)
        self.norm_out = ChannelNorm(2 * dim)
        self.conv_out = nn.Conv2d(2 * dim, 2 * Z_DIM, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.norm_out(self.mid_block(x))))


class Decoder(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.conv_in = nn.Conv2d(Z_DIM, 2 * dim, 3, padding=1)
        self.mid_block = MidBlock(2 * dim)
        self.up_blocks = nn.ModuleList(
            [UpBlock(2 * dim, 2 * dim, True), UpBlock(2 * dim, 2 * dim, True), UpBlock(2 * dim, dim, False)]
        )
        self.norm_out = ChannelNorm(dim)
        self.conv_out = nn.Conv2d(dim, 3 * PATCH_SIZE**2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class FrameAutoencoder(nn.Module):
    """Frames (batch, 3, height, width) in -1..1 <-> latents (batch, 16, height / 16, width / 16)."""

    def __init__(self, base_dim: int):
        super().__init__()
        self.base_dim = base_dim
        self.encoder = Encoder(base_dim)
        self.quant_conv = nn.Conv2d(2 * Z_DIM, 2 * Z_DIM, 1)
        self.post_quant_conv = nn.Conv2d(Z_DIM, Z_DIM, 1)
        self.decoder = Decoder(base_dim)

    def encode(self, frames: Tensor) -> Tensor:
        """Mean of the posterior."""
        return self.quant_conv(self.encoder(patchify(frames)))[:, :Z_DIM]

    def decode(self, latents: Tensor) -> Tensor:
        return unpatchify(self.decoder(self.post_quant_conv(latents)))

    def forward(self, frames: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction from the latents with `noise` added, and the latents."""
        latents = self.encode(frames)
        return self.decode(latents + noise), latents


def patchify(frames: Tensor) -> Tensor:
    """(b, 3, h, w) -> (b, 48, h / 4, w / 4), in the channel order of diffusers (colour, x in patch, y in patch)."""
    b, c, h, w = frames.shape
    x = frames.reshape(b, c, h // PATCH_SIZE, PATCH_SIZE, w // PATCH_SIZE, PATCH_SIZE)
    return x.permute(0, 1, 5, 3, 2, 4).reshape(b, c * PATCH_SIZE**2, h // PATCH_SIZE, w // PATCH_SIZE)


def unpatchify(patches: Tensor) -> Tensor:
    """The way back from `patchify`."""
    b, c, h, w = patches.shape
    x = patches.reshape(b, c // PATCH_SIZE**2, PATCH_SIZE, PATCH_SIZE, h, w)
    return x.permute(0, 1, 4, 3, 5, 2).reshape(b, c // PATCH_SIZE**2, h * PATCH_SIZE, w * PATCH_SIZE)


def to_diffusers(model: FrameAutoencoder, latents_mean: list[float], latents_std: list[float]) -> nn.Module:
    """The same network as `AutoencoderKLWan`: past taps zero, a narrow posterior of fixed width."""
    from diffusers import AutoencoderKLWan

    config = autoencoder_config(model.base_dim)
    vae = AutoencoderKLWan(**config, latents_mean=latents_mean, latents_std=latents_std)
    ours = model.state_dict()
    state = {}
    for name, target in vae.state_dict().items():
        value = ours[name].float()
        if value.ndim == 4 and target.ndim == 5:
            full = torch.zeros(target.shape)
            full[:, :, -1] = value
            value = full
        state[name] = value.reshape(target.shape).clone()
    state["quant_conv.weight"][Z_DIM:] = 0
    state["quant_conv.bias"][Z_DIM:] = POSTERIOR_LOGVAR
    vae.load_state_dict(state)
    return vae.eval()


def from_diffusers(vae: nn.Module) -> FrameAutoencoder:
    """The 2-D network of a model that `to_diffusers` made; its past taps and its posterior's width are left out."""
    model = FrameAutoencoder(vae.config.base_dim)
    exported = vae.state_dict()
    state = {}
    for name, target in model.state_dict().items():
        value = exported[name].float()
        if value.ndim == 5:
            value = value[:, :, -1]
        state[name] = value.reshape(target.shape).clone()
    model.load_state_dict(state)
    return model.eval()
