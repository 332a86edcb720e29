"""QuPAINT: thin-film physics and a vision-language model that find atomically thin flakes.

The rooms, in the one direction in which data walks: ``errors``, ``images``, ``materials``,
``optics``, ``colorimetry``, ``microscope``, ``annotations``, ``pia``, ``finder``; ``results``,
``reproduce`` and ``widgets`` stand at the end. Importing the package imports none of them.
"""

__version__ = "0.1.0"
