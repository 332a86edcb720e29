"""From light to codes: vignetting, blur, clipping, noise, colour filters, rounding, JPEG.

Every step up to the last takes and gives planes, a float32 array (3, H, W), and can be left out.
A colour camera sees one colour per pixel and interpolates the others, and its files halve the
chroma: that, and nothing fitted, gives the noise of the development micrographs their correlation
in space and between channels. The noise comes from whole numbers of a bit generator, so that
equal seeds give equal bytes whatever the number of threads.
"""

from __future__ import annotations

import numpy as np

from qupaint_lib.microscope import Microscope
from qupaint_lib.synthia.conditions import Channels, Conditions

PIXEL_VARIANCE = 1 / 12  # px², of a square pixel: what coverage by area blurs already
SMALLEST_BLUR_PX = 0.2  # less changes nothing that 8 bit show
VEIL_SIGMA_PX = 3.0
_BYTES = 4  # that are added for a number: their kurtosis is −0.3
_BYTE_VARIANCE = (256**2 - 1) / 12
_MOSAIC = ((1, 2), (0, 1))  # channel of the photosites, from the image's upper left corner: GBRG
_STEPS, _DARK = 128, 16  # of the raw image: steps per code, and codes below black
_FIELD_PX = (1200, 1920)  # a sensor's; smaller images show a part of it
_PEAK, _LOSS = 1.047, 0.2  # of the light before it was corrected, about its mean

# The camera of the development micrographs. Its gains are its makers' (127, 64 and 90 of 64); two
# numbers tell its noise: 0.22 codes in the dark, and 56 electrons per code.
CAMERA = Conditions(
    read_noise=0.22, shot_noise=0.018, camera_gain=(127 / 64, 1.0, 90 / 64), mosaic=True
)
# Variance of the noise as it is in these files: floor and slope for R, G, B.
FILE_NOISE = ((0.60, 0.0135), (0.37, 0.0083), (0.45, 0.0105))


def illumination(
    shape: tuple[int, int],
    vignetting: float = 0.0,
    center_xy: tuple[float, float] = (0.0, 0.0),
    gradient: float = 0.0,
    direction_deg: float = 0.0,
) -> np.ndarray:
    """Return the light over the field, about 1.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    vignetting : float, optional
        Share of the light that is lost at the distance of a corner from the middle; the loss
        grows with the square of the distance.
    center_xy : (float, float), optional
        Where the light is brightest, in half widths and half heights from the middle.
    gradient : float, optional
        Change across the field along the direction, as a share of the mean.
    direction_deg : float, optional
        Direction in which it gets lighter: 0 to the right, 90 down.

    Returns
    -------
    (H, W) float32 array
    """
    y, x = ((np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1 for size in shape)
    along_x, along_y = np.cos(np.radians(direction_deg)), np.sin(np.radians(direction_deg))
    tilt = gradient / 2 / max(abs(along_x) + abs(along_y), 1e-9)
    of_y = 0.5 - vignetting / 2 * (y - center_xy[1]) ** 2 + tilt * along_y * y
    of_x = 0.5 - vignetting / 2 * (x - center_xy[0]) ** 2 + tilt * along_x * x
    return np.maximum(of_y[:, None] + of_x, 0).astype(np.float32)


def blur_sigmas(microscope: Microscope, conditions: Conditions) -> np.ndarray:
    """Return the standard deviation (3,) in px of the blur of R, G, B, the pixel's own included."""
    optical = microscope.blur_sigma_px * np.array(conditions.channel_blur)
    return np.hypot(optical, conditions.defocus_sigma_px)


def blur(
    light: np.ndarray,
    sigmas: np.ndarray,
    veil: Channels = (0.0, 0.0, 0.0),
    color_shift_px: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
) -> np.ndarray:
    """Return light that was averaged over each pixel, blurred further to `sigmas` in all.

    Parameters
    ----------
    light : (3, H, W) float32 array
        Averages over pixels: drawn with coverages.
    sigmas : (3,) array
        Standard deviations in px for R, G, B, that of the pixel (0.29 px) included.
    veil : (float, float, float), optional
        Share of R, G, B that is spread over 3 px more.
    color_shift_px : (float, float, float, float), optional
        x and y by which R, then B, are shifted against G.
    """
    import cv2

    blurred = np.empty_like(light)
    remaining = np.sqrt(np.maximum(np.square(sigmas) - PIXEL_VARIANCE, 0)).tolist()
    shifts = (color_shift_px[:2], (0.0, 0.0), color_shift_px[2:])
    for sharp, plane, sigma, share, shift in zip(
        light, blurred, remaining, veil, shifts, strict=True
    ):
        if any(shift):
            sharp = shifted(sharp, max(sigma, SMALLEST_BLUR_PX), shift)
        elif sigma >= SMALLEST_BLUR_PX:
            sharp = gaussian(sharp, sigma)
        if share:
            cv2.addWeighted(sharp, 1 - share, _veil(sharp), share, 0, dst=plane)
        else:
            plane[:] = sharp
    return blurred


def gaussian(plane: np.ndarray, sigma: float) -> np.ndarray:
    """Return an image (H, W) averaged over a Gaussian, cut off at three standard deviations."""
    import cv2

    size = 2 * int(np.ceil(3 * sigma)) + 1
    return cv2.GaussianBlur(plane, (size, size), sigma)


def shifted(plane: np.ndarray, sigma: float, shift_xy: tuple[float, float]) -> np.ndarray:
    """Return an image (H, W) averaged over a Gaussian whose middle lies beside the pixel."""
    import cv2

    reach = int(np.ceil(3 * sigma + max(map(abs, shift_xy))))
    at = np.arange(-reach, reach + 1)
    kernels = [np.exp(-0.5 * ((at + shift) / sigma) ** 2) for shift in shift_xy]
    return cv2.sepFilter2D(plane, -1, *(k / k.sum() for k in kernels))


def _veil(plane: np.ndarray) -> np.ndarray:
    """Return a plane averaged over a Gaussian of 3 px, by way of half its size."""
    import cv2

    height, width = plane.shape
    half = cv2.resize(plane, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)
    return cv2.resize(gaussian(half, VEIL_SIGMA_PX / 2), (width, height))


def to_codes(light: np.ndarray, microscope: Microscope) -> np.ndarray:
    """Return codes 0 to 255, not yet rounded, of light that has the gain: clip, exponent, clip."""
    import cv2

    codes = np.clip(light, 0, 1, dtype=np.float32)
    if microscope.transfer_exponent == "srgb":
        straight = np.float32(12.92) * codes
        curve = np.float32(1.055) * cv2.pow(codes, 1 / 2.4) - np.float32(0.055)
        codes = np.where(codes <= np.float32(0.0031308), straight, curve)
    elif microscope.transfer_exponent != 1:
        codes = cv2.pow(codes, 1 / microscope.transfer_exponent)
    codes = codes.reshape(light.shape)
    np.minimum(codes, np.float32(microscope.clip_level), out=codes)
    codes *= np.float32(255)
    return codes


def plateau_field(shape: tuple[int, int], clip_level: float, seed: int) -> np.ndarray:
    """Return the codes (H, W) at which an image saturates after its flat-field correction.

    The sensor clips before the correction divides by the light over the field. Bulk flakes near
    the middle, where the light is strongest, are therefore white a little below the clip level,
    and noise shows on them; elsewhere they are lifted above it, and clip once more, without noise.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels; up to 1200 × 1920 taken as a part of the sensor.
    clip_level : float
        Largest code of the file, in [0, 1].
    seed : int
        Places the part on the sensor.
    """
    rng = np.random.default_rng([seed, 1])
    axes = []
    for size, whole in zip(shape, _FIELD_PX, strict=True):
        part = min(size / whole, 1.0)
        start = rng.uniform(0, 1 - part)
        axes.append(np.linspace(start, start + part, size, dtype=np.float32) * 2 - 1)
    distance = axes[0][:, None] ** 2 + axes[1] ** 2
    light = _PEAK - np.float32(_LOSS / 2) * distance
    return np.float32(255 * clip_level) / light


def unit_noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return white noise of mean 0 and variance 1, float32: sums of four evenly drawn bytes.

    Parameters
    ----------
    shape : tuple of int
        Of the array.
    seed : int
        Equal seeds give equal noise.
    """
    import cv2

    count = int(np.prod(shape))
    generator = np.random.SFC64(seed)
    raw = generator.random_raw(-(-_BYTES * count // 8)).astype("<u8", copy=False).view(np.uint8)
    white = raw[: _BYTES * count].reshape(_BYTES, -1, shape[-1])
    pairs = [cv2.add(*white[i : i + 2], dtype=cv2.CV_16U) for i in range(0, _BYTES, 2)]
    noise = cv2.add(*pairs, dtype=cv2.CV_32F)
    noise -= np.float32(127.5 * _BYTES)
    noise *= np.float32(1 / np.sqrt(_BYTES * _BYTE_VARIANCE))
    return noise.reshape(shape)


def noise_variance(code: np.ndarray, floor: float, slope: float) -> np.ndarray:
    """Return the variance of the noise, in codes², at codes 0 to 255."""
    variance = np.float32(slope) * code
    variance += np.float32(floor)
    return variance


def expose(codes: np.ndarray, conditions: Conditions, clip_level: float, seed: int) -> np.ndarray:
    """Return the 8-bit image (H, W, 3) of codes (3, H, W): noise, colour filters, rounding.

    Parameters
    ----------
    codes : (3, H, W) float32 array
        0 to 255.
    conditions : Conditions
        Noise, gains, mosaic.
    clip_level : float
        Largest code of the file, in [0, 1].
    seed : int
        Of the noise.
    """
    import cv2

    if conditions.mosaic:
        raw = _mosaic(codes, conditions, seed)
        image = cv2.cvtColor(raw, cv2.COLOR_BayerGBRG2RGB_EA)
        image = cv2.convertScaleAbs(cv2.subtract(image, (_STEPS * _DARK,) * 3), alpha=1 / _STEPS)
    else:
        image = to_image(_with_noise(codes, conditions, seed))
    return cv2.threshold(image, round(255 * clip_level), 0, cv2.THRESH_TRUNC, dst=image)[1]


def _noise_laws(conditions: Conditions) -> list[tuple[float, float]]:
    """Return floor and slope of the variance for R, G, B."""
    gains = conditions.camera_gain
    return [(g**2 * conditions.read_noise**2, g * conditions.shot_noise) for g in gains]


def _with_noise(codes: np.ndarray, conditions: Conditions, seed: int) -> np.ndarray:
    """Return codes with white noise in each of three channels."""
    if not (conditions.read_noise or conditions.shot_noise):
        return codes
    noise = unit_noise(codes.shape, seed)
    for plane, code, law in zip(noise, codes, _noise_laws(conditions), strict=True):
        plane *= np.sqrt(noise_variance(code, *law))
        plane += code
    return noise


def _mosaic(codes: np.ndarray, conditions: Conditions, seed: int) -> np.ndarray:
    """Return what the photosites tell, (H, W) uint16: a channel each, with its noise."""
    sites = np.empty(codes.shape[1:], np.float32)
    noisy = conditions.read_noise or conditions.shot_noise
    noise = unit_noise(sites.shape, seed) if noisy else None
    laws = np.array(_noise_laws(conditions), dtype=np.float32).T
    for row, channels in enumerate(_MOSAIC):
        part = sites[row::2]
        for column, channel in enumerate(channels):
            part[:, column::2] = codes[channel, row::2, column::2]
        if noisy:
            law = laws[:, np.array(channels)[np.arange(part.shape[1]) % 2]]  # of every column
            deviation = np.sqrt(noise_variance(part, *law))
            deviation *= noise[row::2]
            part += deviation
    sites += np.float32(_DARK + 0.5 / _STEPS)
    sites *= np.float32(_STEPS)
    return np.clip(sites, 0, 65535, out=sites).astype(np.uint16)


def to_image(codes: np.ndarray) -> np.ndarray:
    """Return codes (3, H, W), 0 to 255, as an image (H, W, 3), rounded to 8 bit."""
    import cv2

    return cv2.merge([cv2.add(np.ascontiguousarray(c), 0.0, dtype=cv2.CV_8U) for c in codes])


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """Return an 8-bit RGB image as JPEG, its chroma halved (4:2:0) as the micrographs' is."""
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1].tobytes()


def decode_jpeg(data: bytes) -> np.ndarray:
    """Return the 8-bit RGB image of a JPEG file's bytes."""
    import cv2

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
