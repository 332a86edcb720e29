"""Two-sample test: can a classifier tell real crops from rendered ones?

Crops of whole images are held out, so that no crop is judged by its neighbour. An area under the
curve of 0.5 is a guess; 1 means that something gives every crop away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from qupaint_lib.errors import ArgumentError

CROP_PX = 64
_TOUCHING = 0.02  # share of a crop that is not substrate
_LAGS = ((0, 1), (1, 0), (0, 2), (2, 0), (1, 1))
_PERCENTILES = (1, 10, 50, 90, 99)


@dataclass(frozen=True, eq=False)
class TwoSampleTest:
    """What a classifier makes of crops that it has not seen.

    Attributes
    ----------
    auc : float
        Area under the receiver operating characteristic, pooled over the held-out images.
    scores : (N,) array
        How synthetic each crop looks to a classifier that never saw its image.
    synthetic : (N,) bool array
        What each crop is.
    """

    auc: float
    scores: np.ndarray
    synthetic: np.ndarray


def sample_crops(
    image: np.ndarray,
    count: int,
    rng: np.random.Generator,
    *,
    touching: np.ndarray | None = None,
    size: int = CROP_PX,
    tries: int = 4000,
) -> np.ndarray:
    """Return random square crops of an image.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        Codes.
    count : int
        How many; fewer where too few touch.
    touching : (H, W) bool array, optional
        Only crops with more than 2 % of these pixels.
    size : int, optional
        Side in pixels.

    Returns
    -------
    (N, size, size, 3) uint8 array
    """
    height, width = image.shape[:2]
    if min(height, width) < size:
        raise ArgumentError("image", image.shape, f"at least {size} × {size} pixels")
    crops = []
    for y, x in rng.integers(0, (height - size + 1, width - size + 1), (tries, 2)):
        if len(crops) == count:
            break
        window = np.s_[y : y + size, x : x + size]
        if touching is None or touching[window].mean() > _TOUCHING:
            crops.append(image[window])
    return np.array(crops, np.uint8).reshape(-1, size, size, 3)


def local_statistics(crops: np.ndarray) -> np.ndarray:
    """Return what a microscopist's eye takes in of each crop: (N, F) array.

    Per channel: percentiles of the codes against the median, and of the gradient; noise of the
    flattest quarter, its correlation with neighbours at small lags, and between channels.
    """
    codes = np.asarray(crops, np.float32)
    middle = np.median(codes, axis=(1, 2), keepdims=True)
    around = codes - middle
    dy, dx = np.diff(codes, axis=1)[:, :, :-1], np.diff(codes, axis=2)[:, :-1]
    gradient = np.hypot(dx, dy)
    features = [
        np.percentile(around, _PERCENTILES, axis=(1, 2)).transpose(1, 0, 2).reshape(len(codes), -1),
        np.percentile(gradient, _PERCENTILES, axis=(1, 2))
        .transpose(1, 0, 2)
        .reshape(len(codes), -1),
        _noise_statistics(codes),
    ]
    return np.column_stack(features)


def _noise_statistics(codes: np.ndarray) -> np.ndarray:
    """Return deviation, lagged and cross correlations of each crop's flattest 16 × 16 block."""
    blocks = np.stack(
        [codes[:, y : y + 16, x : x + 16] for y in range(0, 49, 16) for x in range(0, 49, 16)],
        axis=1,
    )
    flattest = blocks.std(axis=(2, 3)).sum(axis=-1).argmin(axis=1)
    block = blocks[np.arange(len(codes)), flattest]
    rest = block - block.mean(axis=(1, 2), keepdims=True)
    deviation = rest.std(axis=(1, 2)) + 1e-3
    rest = rest / deviation[:, None, None]
    lagged = [
        (rest[:, : 16 - dy, : 16 - dx] * rest[:, dy:, dx:]).mean(axis=(1, 2)) for dy, dx in _LAGS
    ]
    cross = [(rest[..., i] * rest[..., j]).mean(axis=(1, 2)) for i, j in ((0, 1), (0, 2), (1, 2))]
    return np.column_stack([deviation, *lagged, *cross])


def two_sample_test(
    real: Sequence[np.ndarray],
    synthetic: Sequence[np.ndarray],
    *,
    method: str = "statistics",
    seed: int = 0,
) -> TwoSampleTest:
    """Train a classifier to tell crops apart; judge each by one that never saw its image.

    The k-th fold leaves out the k-th real and the k-th synthetic image.

    Parameters
    ----------
    real, synthetic : sequence of (N, S, S, 3) uint8 arrays
        Crops, image by image; as many images of either kind, at least two.
    method : {"statistics", "network"}, optional
        Logistic regression on `local_statistics`, or a small convolutional network.
    seed : int, optional
        Of the network's weights and batches.

    Returns
    -------
    TwoSampleTest
    """
    from sklearn.metrics import roc_auc_score

    if len(real) != len(synthetic) or len(real) < 2:
        raise ArgumentError(
            "real", len(real), f"as many images as synthetic, {len(synthetic)}, ≥ 2"
        )
    if method not in _CLASSIFIERS:
        raise ArgumentError("method", method, "statistics or network")
    scores, truth = [], []
    for left_out in range(len(real)):
        kept = [k for k in range(len(real)) if k != left_out]
        crops = np.concatenate([kind[k] for kind in (real, synthetic) for k in kept])
        labels = np.concatenate(
            [
                np.full(len(kind[k]), value)
                for value, kind in enumerate((real, synthetic))
                for k in kept
            ]
        )
        unseen = np.concatenate([real[left_out], synthetic[left_out]])
        scores.append(_CLASSIFIERS[method](crops, labels, unseen, seed + left_out))
        truth.append(np.repeat([False, True], [len(real[left_out]), len(synthetic[left_out])]))
    scores, truth = np.concatenate(scores), np.concatenate(truth)
    return TwoSampleTest(float(roc_auc_score(truth, scores)), scores, truth)


def _regression(crops: np.ndarray, labels: np.ndarray, unseen: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    model.fit(local_statistics(crops), labels)
    return model.decision_function(local_statistics(unseen))


def _network(crops: np.ndarray, labels: np.ndarray, unseen: np.ndarray, seed: int) -> np.ndarray:
    import torch
    from torch import nn

    def tensor(images: np.ndarray) -> torch.Tensor:
        codes = torch.from_numpy(np.asarray(images, np.float32)).permute(0, 3, 1, 2)
        return (codes - codes.flatten(2).median(dim=2).values[..., None, None]) / 32

    torch.manual_seed(seed)
    width = (3, 16, 32, 64)
    stages = [
        layer
        for a, b in pairwise(width)
        for layer in (nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.ReLU())
    ]
    model = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width[-1], 1))
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    inputs, targets = tensor(crops), torch.from_numpy(labels.astype(np.float32))
    for _ in range(12):
        for batch in torch.randperm(len(inputs)).split(64):
            mirrored = inputs[batch].flip(3) if torch.rand(()) < 0.5 else inputs[batch]
            loss = nn.functional.binary_cross_entropy_with_logits(
                model(mirrored)[:, 0], targets[batch]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    model.eval()
    with torch.no_grad():
        return model(tensor(unseen))[:, 0].numpy()


_CLASSIFIERS = {"statistics": _regression, "network": _network}
