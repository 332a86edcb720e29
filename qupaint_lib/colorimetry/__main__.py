"""Read the spectra from colour-science again: ``python -m qupaint_lib.colorimetry``."""

from qupaint_lib.colorimetry.tables import write_store

if __name__ == "__main__":
    print(write_store())
