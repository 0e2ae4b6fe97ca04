"""Classifiers: frames in, class probabilities or embeddings out."""

from framevote.classifier.loading import IMAGENET, backbone_file, cache_folder, imagenet_path, load_model, open_classifier
from framevote.classifier.scoring import Classifier, Watch

__all__ = ["IMAGENET", "Classifier", "Watch", "backbone_file", "cache_folder", "imagenet_path", "load_model", "open_classifier"]
