import pickle

import pytest

from qupaint_lib.errors import (
    ArgumentError,
    CalibrationError,
    ImageError,
    QuPaintError,
    TableError,
    UnknownNameError,
)


@pytest.mark.parametrize("kind", [ArgumentError, ImageError, TableError, CalibrationError])
def test_message_names_argument_value_and_what_is_allowed(kind):
    error = kind("oxide_thickness_nm", -3.0, "0 to 500 nm")
    assert isinstance(error, QuPaintError) and isinstance(error, ValueError)
    assert str(error) == "oxide_thickness_nm = -3.0: 0 to 500 nm"


def test_unknown_name_suggests_the_nearest_whatever_its_case():
    error = UnknownNameError("material", "mos2", ["MoS2", "WSe2", "graphene"])
    assert "did you mean 'MoS2'" in str(error)
    assert "known names: MoS2, WSe2, graphene" in str(error)


def test_unknown_name_without_a_near_one_lists_what_is_known():
    message = str(UnknownNameError("material", "zzzz", ["graphene"]))
    assert "did you mean" not in message and "graphene" in message


def test_long_values_are_shortened():
    assert len(str(ArgumentError("image", "x" * 10_000, "short"))) < 200


def test_errors_travel_between_processes():
    for error in (ArgumentError("a", 1, "b"), UnknownNameError("a", "x", ["y"])):
        copy = pickle.loads(pickle.dumps(error))
        assert str(copy) == str(error) and copy.argument == "a"
