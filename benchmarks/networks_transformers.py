"""Small random networks of transformers, by the names of networks.csv."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

SMALL = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
PICTURE = {"image_size": 32, "patch_size": 8, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
PICTURE |= {"intermediate_size": 48}
SEQUENCES = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4}
SEQUENCES |= {"decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
FORECAST = {"prediction_length": 4, "context_length": 8, "lags_sequence": [1, 2], "num_time_features": 1} | SEQUENCES
SPEECH = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16, 16, 16),
    "conv_stride": (5, 4, 4),
    "conv_kernel": (10, 4, 4),
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4,
}

CONFIGS: dict[str, dict[str, Any]] = {
    "DistilBertModel": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48},
    "ElectraModel": {"embedding_size": 16},
    "DebertaV2Model": {
        "relative_attention": True,
        "position_buckets": 8,
        "pos_att_type": ["p2c", "c2p"],
        "norm_rel_ebd": "layer_norm",
        "share_att_key": False,
    },
    "MobileBertModel": {"embedding_size": 16, "intra_bottleneck_size": 16, "num_feedforward_networks": 1}
    | {"num_hidden_layers": 1},
    "LongformerModel": {"attention_window": [4, 4]},
    "FNetModel": {"tpu_short_seq_length": 8},
    "ReformerModel": {
        "attention_head_size": 8,
        "attn_layers": ["local", "lsh"],
        "axial_pos_embds_dim": [16, 16],
        "axial_pos_shape": [4, 4],
        "feed_forward_size": 48,
        "num_buckets": 2,
        "lsh_attn_chunk_length": 4,
        "local_attn_chunk_length": 4,
        "num_hashes": 1,
        "is_decoder": False,
        "hash_seed": 0,
        "hidden_dropout_prob": 0.0,
        "local_attention_probs_dropout_prob": 0.0,
        "lsh_attention_probs_dropout_prob": 0.0,
    },
    "PerceiverModel": {
        "num_latents": 5,
        "d_latents": 32,
        "d_model": 20,
        "num_blocks": 1,
        "num_self_attends_per_block": 2,
        "num_self_attention_heads": 4,
        "num_cross_attention_heads": 4,
    },
    "EsmModel": {"position_embedding_type": "rotary", "token_dropout": False, "mask_token_id": 3},
    "SqueezeBertModel": {"embedding_size": 32}
    | {f"{n}_groups": 2 for n in ("q", "k", "v", "post_attention", "intermediate", "output")},
    "GPT2Model (Conv1D)": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    "GPT2LMHeadModel (tied)": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    "GPTJForCausalLM": {"n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4, "n_positions": 64},
    "OPTForCausalLM": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "BloomForCausalLM": {"n_layer": 2, "n_head": 4},
    "FalconForCausalLM": {"new_decoder_architecture": False, "multi_query": True},
    "Gemma2ForCausalLM": {"head_dim": 8, "query_pre_attn_scalar": 8},
    "Gemma3ForCausalLM": {"head_dim": 8, "query_pre_attn_scalar": 8},
    "Qwen3ForCausalLM": {"head_dim": 8},
    "MixtralForCausalLM (MoE)": {"num_local_experts": 4},
    "Qwen2MoeForCausalLM": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 24,
        "shared_expert_intermediate_size": 24,
    },
    "MambaForCausalLM": {"state_size": 4},
    "Mamba2ForCausalLM": {"num_heads": 8, "head_dim": 8, "state_size": 4, "n_groups": 1, "chunk_size": 4},
    "RwkvForCausalLM": {"attention_hidden_size": 32, "context_length": 16},
    "RecurrentGemmaForCausalLM": {"num_hidden_layers": 3, "lru_width": 32, "attention_window_size": 8, "head_dim": 8},
    "T5ForConditionalGeneration (tied)": {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
    | {"decoder_start_token_id": 0, "tie_word_embeddings": True},
    "BartForConditionalGeneration (tied)": SEQUENCES | {"decoder_start_token_id": 2},
    "ViTMAEForPreTraining": {
        "decoder_hidden_size": 32,
        "decoder_num_hidden_layers": 1,
        "decoder_num_attention_heads": 4,
        "decoder_intermediate_size": 48,
    },
    "BeitModel": {"out_indices": [1, 2], "use_relative_position_bias": True},
    "Dinov2Model": {"mlp_ratio": 2},
    "DINOv3ViTModel": {"num_register_tokens": 1},
    "SwinModel": {"patch_size": 2, "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4},
    "Swin2SRForImageSuperResolution": {
        "image_size": 16,
        "patch_size": 1,
        "embed_dim": 16,
        "depths": [2, 2],
        "num_heads": [2, 2],
        "window_size": 4,
        "upsampler": "pixelshuffledirect",
    },
    "SegformerForSemanticSegmentation": {
        "hidden_sizes": [8, 16, 24, 32],
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 2, 2, 4],
        "decoder_hidden_size": 16,
        "num_labels": 5,
    },
    "ConvNextModel": STAGES,
    "ConvNextV2Model": STAGES,
    "PvtModel": {
        "image_size": 32,
        "hidden_sizes": [8, 16, 24, 32],
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 2, 2, 4],
        "sequence_reduction_ratios": [4, 2, 1, 1],
    },
    "MobileViTModel": {
        "image_size": 64,
        "patch_size": 2,
        "hidden_sizes": [16, 24, 32],
        "neck_hidden_sizes": [8, 8, 16, 16, 24, 24, 32],
        "num_attention_heads": 4,
        "mlp_ratio": 2.0,
    },
    "MobileNetV2Model": {"depth_multiplier": 0.25, "initializer_range": 0.2},
    "ResNetModel": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
    "SamVisionEncoder": {
        "image_size": 64,
        "patch_size": 8,
        "output_channels": 16,
        "mlp_dim": 48,
        "window_size": 4,
        "global_attn_indexes": [1],
        "initializer_range": 0.02,
        "num_pos_feats": 8,
    },
    "VideoMAEModel": {"num_frames": 4, "tubelet_size": 2},
    "WhisperModel": SEQUENCES
    | {"num_mel_bins": 16, "max_source_positions": 20, "max_target_positions": 16, "decoder_start_token_id": 1},
    "Wav2Vec2Model (weight norm)": SPEECH,
    "WavLMModel": SPEECH | {"num_buckets": 16, "max_bucket_distance": 32},
    "ASTModel": {"max_length": 32, "num_mel_bins": 16, "patch_size": 8, "frequency_stride": 4, "time_stride": 4},
    "EncodecModel": {"num_filters": 4, "hidden_size": 16, "codebook_size": 16, "codebook_dim": 16}
    | {"upsampling_ratios": [4, 2], "num_lstm_layers": 1, "sampling_rate": 800, "target_bandwidths": [0.8]},
    "DacModel": {
        "encoder_hidden_size": 8,
        "downsampling_ratios": [2, 4],
        "decoder_hidden_size": 32,
        "n_codebooks": 2,
        "codebook_size": 16,
        "codebook_dim": 4,
        "upsampling_ratios": [4, 2],
    },
    "PatchTSTForPrediction": {
        "num_input_channels": 2,
        "context_length": 16,
        "prediction_length": 4,
        "patch_length": 4,
        "patch_stride": 4,
        "d_model": 32,
        "ffn_dim": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    },
    "PatchTSMixerForPrediction": {
        "num_input_channels": 2,
        "context_length": 16,
        "prediction_length": 4,
        "patch_length": 4,
        "patch_stride": 4,
        "d_model": 16,
        "num_layers": 2,
    },
    "TimeSeriesTransformer": FORECAST,
    "Informer": FORECAST | {"sampling_factor": 5},
    "VitsModel text": {"ffn_dim": 48, "flow_size": 16},
}
PICTURES = ("ViT", "DeiT", "Beit", "Dinov2", "DINOv3", "Sam", "VideoMAE", "AST")
PAIRS = ("CLIPModel", "SiglipModel", "BlipModel")
FIRST = {"PatchTS": "past_values", "Perceiver": "inputs"}
FIRST |= dict.fromkeys(("Wav", "AST", "Encodec", "Dac"), "input_values")
"""Name of the first argument by how a row begins; pictures and tokens need none."""
CLASSES = {
    "TimeSeriesTransformer": "TimeSeriesTransformerModel",
    "Informer": "InformerModel",
    "VitsModel": "VitsTextEncoder",
}


def make(name: str) -> nn.Module:
    """The network of a row."""
    import transformers

    transformers.logging.set_verbosity_error()
    word = name.split(maxsplit=1)[0]
    if word in PAIRS:
        return pair(word)
    cls = class_of(CLASSES.get(word, word))
    config_class = {"SamVisionEncoder": transformers.SamVisionConfig, "VitsModel": transformers.VitsConfig}.get(
        word, getattr(cls, "config_class", None)
    )
    base = PICTURE if word.startswith(PICTURES) else SMALL
    if word in ("EncodecModel", "DacModel", "MobileNetV2Model", "ResNetModel") or word.startswith(
        ("Patch", "Swin", "ConvNext", "Pvt", "Segformer", "MobileViT", "Wav")
    ):
        base = {}
    net = cls(config_class(**{**base, **CONFIGS.get(name, {})}))
    for key, buffer in net.named_buffers():
        if key.endswith("codebook.embed"):  # zero at first: all samples would get one code
            buffer.normal_(std=0.05)
    return net


def class_of(name: str) -> type[nn.Module]:
    """A model's class, of the package or of the module that alone has it."""
    import transformers

    if name == "VitsTextEncoder":
        from transformers.models.vits.modeling_vits import VitsTextEncoder

        return VitsTextEncoder
    if name == "SamVisionEncoder":
        from transformers.models.sam.modeling_sam import SamVisionEncoder

        return SamVisionEncoder
    return getattr(transformers, name)


def pair(word: str) -> nn.Module:
    """A model of text and pictures."""
    import transformers

    cls = getattr(transformers, word)
    text, vision = dict(SMALL), {**PICTURE, "initializer_range": 0.02}
    del text["num_key_value_heads"]
    return cls(cls.config_class(text_config=text, vision_config=vision, projection_dim=16, image_text_hidden_size=16))


def inputs(name: str, shapes: list[tuple[int, ...]]) -> dict[str, Any]:
    """The keyword arguments of a row, for the shapes of its column."""
    generator = torch.Generator().manual_seed(0)
    word = name.split(maxsplit=1)[0]

    def ids(shape: tuple[int, ...]) -> Tensor:
        return torch.randint(5, 90, shape, generator=generator)

    def noise(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=generator)

    if word in ("TimeSeriesTransformer", "Informer"):
        names = ("past_values", "past_time_features", "past_observed_mask", "future_values", "future_time_features")
        values = dict(zip(names, map(noise, shapes), strict=True))
        return values | {"past_observed_mask": torch.ones(shapes[2])}
    if word == "WhisperModel":
        return {"input_features": noise((*shapes[0][:2], 40)), "decoder_input_ids": ids(shapes[1])}
    if word == "ViTMAEForPreTraining":
        return {"pixel_values": noise(shapes[0]), "noise": torch.rand(shapes[1], generator=generator)}
    first = next((name for start, name in FIRST.items() if word.startswith(start)), None)
    if first is None:
        first = "pixel_values" if len(shapes[0]) > 2 else "input_ids"
    if word == "VitsModel":
        return {"input_ids": ids(shapes[0]), "padding_mask": torch.ones(*shapes[0], 1)}
    values = {first: ids(shapes[0]) if first == "input_ids" else noise(shapes[0])}
    if word in PAIRS:
        values["pixel_values"] = noise(shapes[1])
    elif word.startswith(("T5", "Bart")):
        values["decoder_input_ids"] = ids(shapes[1])
    elif len(shapes) > 1:
        values["attention_mask"] = torch.ones(shapes[1], dtype=torch.long)
    return values


def options(name: str) -> dict[str, Any]:
    """Further arguments of the calls that are compared: hidden states where the network gives them, no caches."""
    word = name.split(maxsplit=1)[0]
    result: dict[str, Any] = {"output_hidden_states": True}
    if word.endswith("ForCausalLM") or word.startswith(("GPT2", "T5", "Bart", "Whisper", "TimeSeries", "Informer")):
        result["use_cache"] = False
    if word in ("EncodecModel", "DacModel", "ResNetModel", "MobileNetV2Model", "SamVisionEncoder"):
        result = {}
    return result
