"""Pretrained backbones: fetching the files, and renaming their tensors to MMDetection's."""
