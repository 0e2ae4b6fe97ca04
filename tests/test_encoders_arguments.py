"""What an encoder or a projection cannot work with is told: arguments, and samples that teach nothing."""

import dataclasses

import numpy as np
import pytest

from framevote.encoders import Sample, fit_encoding
from framevote.errors import InputError, PartError
from framevote.parts import build, names
from framevote.testing import made_descriptors

ENCODERS = names("encoder")


# Arguments


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("words=0", r"words: a whole number from 1 to 65536\. Received: words=0"),
        ("words=-1", "Received: words=-1"),
        ("words=1.5", r"Received: words=1\.5"),
        ("words=True", "Received: words=True"),
        ("words=65537", "Received: words=65537"),
        ("words='8'", "Received: words='8'"),
        ("pooling='median'", r"pooling: .*\. Received: pooling='median'"),
        ("pooling=1", "Received: pooling=1"),
        ("normalisation='l3'", r"steps out of power, intra, l1, l2, joined by \+, or none\. Received: normalisation='l3'"),
        ("normalisation='l2+l2'", r"Received: normalisation='l2\+l2'"),
        ("normalisation='none+l2'", r"Received: normalisation='none\+l2'"),
        ("normalisation=''", "Received: normalisation=''"),
        ("normalisation=None", "Received: normalisation=None"),
        ("position=-1", r"position: a number of at least 0\. Received: position=-1"),
        ("position='x'", "Received: position='x'"),
        ("moment=True", "Received: moment=True"),
        ("moment=1e999", "Received: moment=inf"),
    ],
)
def test_an_argument_that_fits_no_encoder_is_told(name, argument, told):
    with pytest.raises(PartError, match=f"{name} takes .*{told}"):
        build("encoder", f"{name}({argument})")


@pytest.mark.parametrize(
    ("kind", "spec", "told"),
    [
        ("encoder", "FisherVector(pooling='max')", r"FisherVector takes pooling: sum, average\. Received: pooling='max'"),
        ("encoder", "VLAD(pooling='max')", r"VLAD takes pooling: sum, average\. Received: pooling='max'"),
        ("encoder", "SuperVector(pooling='sum')", r"SuperVector takes pooling: average\. Received: pooling='sum'"),
        ("encoder", "SuperVector(share=-1)", r"share: a number of at least 0\. Received: share=-1"),
        ("encoder", "LLC(nearest=0)", r"LLC takes nearest: a whole number from 1 to its 1024 words\. Received: nearest=0"),
        ("encoder", "LLC(words=4)", "from 1 to its 4 words. Received: nearest=5"),
        ("encoder", "LLC(nearest=2.0)", r"Received: nearest=2\.0"),
        ("encoder", "LLC(regular=0)", r"LLC takes regular: .*Received: regular=0"),
        ("encoder", "LLC(regular=1e-20)", r"LLC takes regular: .*Received: regular=1e-20"),
        ("encoder", "SoftAssignment(nearest=-1)", r"from 0 to its 1024 words\. Received: nearest=-1"),
        ("encoder", "SoftAssignment(width=0)", r"SoftAssignment takes width: a number above 0\. Received: width=0"),
        ("encoder", "SparseCoding(alpha=0)", r"SparseCoding takes alpha: .*Received: alpha=0"),
        ("encoder", "SparseCoding(alpha=1)", r"SparseCoding takes alpha below 1: .*Received: alpha=1"),
        ("encoder", "SparseCoding(alpha=1e-9)", r"SparseCoding takes alpha: .*Received: alpha=1e-09"),
        ("projection", "PCA(components=0)", r"PCA takes components: a whole number from 1 on\. Received: components=0"),
        ("projection", "PCA(components=1.5)", r"Received: components=1\.5"),
        ("projection", "PCA(components=True)", "Received: components=True"),
        ("projection", "PCA(whiten=1)", r"PCA takes whiten: True or False\. Received: whiten=1"),
    ],
)
def test_an_argument_that_does_not_fit_is_told(kind, spec, told):
    with pytest.raises(PartError, match=told):
        build(kind, spec)


@pytest.mark.parametrize("field", ["alpha", "width", "regular", "share", "position", "moment"])
def test_what_is_no_number_is_told(field):
    makers = {"alpha": "SparseCoding", "width": "SoftAssignment", "regular": "LLC", "share": "SuperVector"}
    part = build("encoder", makers.get(field, "VLAD"))
    with pytest.raises(PartError, match=f"Received: {field}=nan"):
        dataclasses.replace(part, **{field: float("nan")})


# Samples


@pytest.mark.parametrize("projection", ["Plain()", "PCA()"])
@pytest.mark.parametrize("spec", ["BagOfWords(words=8)", "FisherVector(words=8, position=1.0)"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda values: values[:0], r"needs at least .* Received: 0\."),
        (lambda values: values[:1], r"needs at least .* Received: 1\."),
        (
            lambda values: values[:7],
            r"\(words=8.*\) needs at least 8 descriptors to learn 8 words from\. Received: 7\. Give it fewer words",
        ),
        (lambda values: values * 0 + 3, r"All 600 descriptors are the same: .* Expected some that differ\."),
        (
            lambda values: np.where(np.arange(len(values))[:, None] == 9, np.nan, values),
            r"takes finite numbers, but 1 of the 600 descriptors have others",
        ),
        (lambda values: values / np.where(values == values.max(), 0, 1), r"takes finite numbers, but 1 of the 600 descriptors have others"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_a_sample_that_teaches_nothing_is_told(projection, spec, change, told):
    made = made_descriptors(600, 5)
    values = change(made.values).astype(np.float32)
    own = Sample(values, made.places[: len(values)], np.zeros(len(values), np.float32))
    with pytest.raises(InputError, match=told):
        fit_encoding(build("encoder", spec), build("projection", projection), own)
