"""Painting with a trained bank of styles: engines, tiles, sheets, frames and the network in ONNX."""
