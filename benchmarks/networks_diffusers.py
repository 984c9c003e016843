"""Small random networks of diffusers, by the names of networks.csv."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

UNET = {
    "sample_size": 8,
    "in_channels": 3,
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "norm_num_groups": 4,
    "cross_attention_dim": 24,
    "attention_head_dim": 8,
}
DIT = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 2, "sample_size": 8, "norm_num_groups": 4}

CONFIGS: dict[str, dict[str, Any]] = {
    "AutoencoderTiny": {
        "encoder_block_out_channels": (8, 8),
        "decoder_block_out_channels": (8, 8),
        "num_encoder_blocks": (1, 1),
        "num_decoder_blocks": (1, 1),
    },
    "AsymmetricAutoencoderKL": {
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "down_block_out_channels": (8, 16),
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "up_block_out_channels": (8, 16),
        "norm_num_groups": 4,
    },
    "AutoencoderDC": {
        "latent_channels": 4,
        "attention_head_dim": 8,
        "encoder_block_types": ("ResBlock", "EfficientViTBlock"),
        "decoder_block_types": ("ResBlock", "EfficientViTBlock"),
        "encoder_block_out_channels": (8, 16),
        "decoder_block_out_channels": (8, 16),
        "encoder_layers_per_block": (1, 1),
        "decoder_layers_per_block": (1, 1),
        "encoder_qkv_multiscales": ((), (5,)),
        "decoder_qkv_multiscales": ((), (5,)),
        "decoder_norm_types": "rms_norm",
    },
    "UNet2DConditionModel": UNET | {"out_channels": 3, "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")},
    "ControlNetModel": {n: v for n, v in UNET.items() if n != "sample_size"}
    | {"conditioning_embedding_out_channels": (8, 16)},
    "DiTTransformer2DModel": DIT | {"in_channels": 3, "out_channels": 6, "patch_size": 2, "num_embeds_ada_norm": 10},
    "PixArtTransformer2DModel": DIT
    | {"in_channels": 3, "out_channels": 6, "patch_size": 2, "caption_channels": 12, "cross_attention_dim": 16}
    | {"use_additional_conditions": False},
    "SD3Transformer2DModel": {
        "sample_size": 8,
        "patch_size": 2,
        "in_channels": 4,
        "num_layers": 2,
        "attention_head_dim": 8,
        "num_attention_heads": 2,
        "joint_attention_dim": 24,
        "caption_projection_dim": 16,
        "pooled_projection_dim": 20,
        "out_channels": 4,
        "pos_embed_max_size": 8,
    },
    "FluxTransformer2DModel": {
        "patch_size": 1,
        "in_channels": 4,
        "num_layers": 1,
        "num_single_layers": 1,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": 24,
        "pooled_projection_dim": 20,
        "axes_dims_rope": (4, 4, 8),
    },
    "SanaTransformer2DModel": {
        "in_channels": 4,
        "out_channels": 4,
        "num_attention_heads": 2,
        "attention_head_dim": 8,
        "num_layers": 1,
        "num_cross_attention_heads": 2,
        "cross_attention_head_dim": 8,
        "cross_attention_dim": 16,
        "caption_channels": 12,
        "sample_size": 8,
        "patch_size": 1,
    },
    "UVit2DModel": {
        "hidden_size": 32,
        "cond_embed_dim": 16,
        "micro_cond_encode_dim": 8,
        "micro_cond_embed_dim": 40,
        "encoder_hidden_size": 16,
        "vocab_size": 20,
        "codebook_size": 16,
        "in_channels": 16,
        "block_out_channels": 16,
        "num_res_blocks": 1,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "block_num_heads": 2,
        "intermediate_size": 48,
    },
    "PriorTransformer": {
        "num_attention_heads": 2,
        "attention_head_dim": 8,
        "num_layers": 1,
        "embedding_dim": 16,
        "num_embeddings": 5,
        "additional_embeddings": 4,
    },
    "T2IAdapter": {"channels": [8, 16], "num_res_blocks": 1, "downscale_factor": 4, "adapter_type": "full_adapter"},
    "StableCascadeUNet": {
        "in_channels": 4,
        "out_channels": 4,
        "timestep_ratio_embedding_dim": 8,
        "patch_size": 1,
        "conditioning_dim": 16,
        "block_out_channels": (16, 16),
        "num_attention_heads": (2, 2),
        "down_num_layers_per_block": (1, 1),
        "up_num_layers_per_block": (1, 1),
        "down_blocks_repeat_mappers": (1, 1),
        "up_blocks_repeat_mappers": (1, 1),
        "block_types_per_layer": (("SDCascadeResBlock", "SDCascadeTimestepBlock", "SDCascadeAttnBlock"),) * 2,
        "clip_text_in_channels": 12,
        "clip_text_pooled_in_channels": 12,
        "clip_image_in_channels": 12,
        "clip_seq": 4,
        "effnet_in_channels": None,
        "pixel_mapper_in_channels": None,
        "self_attn": True,
        "switch_level": (False,),
    },
}
NAMES: dict[str, tuple[str, ...]] = {
    "UNet2DConditionModel": ("sample", "timestep", "encoder_hidden_states"),
    "ControlNetModel": ("sample", "timestep", "encoder_hidden_states", "controlnet_cond"),
    "DiTTransformer2DModel": ("hidden_states", "timestep", "class_labels"),
    "PixArtTransformer2DModel": ("hidden_states", "encoder_hidden_states", "timestep"),
    "SD3Transformer2DModel": ("hidden_states", "encoder_hidden_states", "pooled_projections", "timestep"),
    "FluxTransformer2DModel": (
        "hidden_states",
        "encoder_hidden_states",
        "pooled_projections",
        "timestep",
        "img_ids",
        "txt_ids",
    ),
    "SanaTransformer2DModel": ("hidden_states", "encoder_hidden_states", "timestep"),
    "UVit2DModel": ("input_ids", "encoder_hidden_states", "pooled_text_emb", "micro_conds"),
    "PriorTransformer": ("hidden_states", "timestep", "proj_embedding", "encoder_hidden_states"),
    "StableCascadeUNet": ("sample", "timestep_ratio", "clip_text_pooled", "clip_text", "clip_img"),
    "T2IAdapter": ("x",),
}
SHARED = {"FluxTransformer2DModel": (4, 5)}
"""Numbers of inputs that hold no samples: positions."""


def make(name: str) -> nn.Module:
    """The network of a row."""
    import diffusers

    diffusers.utils.logging.set_verbosity_error()
    if name == "StableCascadeUNet":
        from diffusers.models.unets.unet_stable_cascade import StableCascadeUNet

        return StableCascadeUNet(**CONFIGS[name])
    return getattr(diffusers, name)(**CONFIGS[name])


def inputs(name: str, shapes: list[tuple[int, ...]]) -> dict[str, Any]:
    """The keyword arguments of a row, for the shapes of its column."""
    generator = torch.Generator().manual_seed(0)
    values: dict[str, Any] = {}
    for argument, shape in zip(NAMES.get(name, ("sample",)), shapes, strict=True):
        if argument == "input_ids":
            values[argument] = torch.randint(0, 16, shape, generator=generator)
        elif argument == "class_labels":
            values[argument] = torch.arange(shape[0])
        elif argument == "timestep":
            values[argument] = torch.arange(1, shape[0] + 1) * 3
        elif argument == "timestep_ratio":
            values[argument] = torch.linspace(0.2, 0.8, shape[0])
        else:
            values[argument] = torch.randn(shape, generator=generator)
    if name == "FluxTransformer2DModel":
        values["timestep"] = values["timestep"] / 10
    if name == "PixArtTransformer2DModel":
        values["added_cond_kwargs"] = {"resolution": None, "aspect_ratio": None}
    return values
