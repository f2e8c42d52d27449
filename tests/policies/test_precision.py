"""Where encoders compute in bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from policies.precision import has_bfloat16, mixed_precision


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    has_bfloat16.cache_clear()
    yield
    has_bfloat16.cache_clear()


def processor(monkeypatch: pytest.MonkeyPatch, machine: str, **says: bool) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        answer = says.get(name, False)
        monkeypatch.setattr(torch.cpu, name, lambda answer=answer: answer, raising=False)


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ({}, False),
        ({"_is_avx512_bf16_supported": True}, True),
        ({"_is_amx_tile_supported": True}, True),
    ],
)
def test_x86_has_bfloat16_with_the_instructions_for_it_alone(
    monkeypatch: pytest.MonkeyPatch, says: dict[str, bool], expected: bool
) -> None:
    processor(monkeypatch, "x86_64", **says)
    assert has_bfloat16("cpu") is expected
    assert mixed_precision("cpu", "bfloat16")._enabled is expected
    assert not mixed_precision("cpu", "float32")._enabled


def test_a_pytorch_that_cannot_say_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    monkeypatch.setattr("platform.machine", lambda: "AMD64")
    assert has_bfloat16("cpu") is False


def test_other_processors_are_asked_through_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    processor(monkeypatch, "aarch64", _is_avx512_bf16_supported=True)
    mkldnn: Any = type("Mkldnn", (), {"_is_mkldnn_bf16_supported": staticmethod(lambda: True)})
    monkeypatch.setattr("policies.precision.torch.ops.mkldnn", mkldnn, raising=False)
    assert has_bfloat16("cpu") is True
    monkeypatch.setattr("policies.precision.torch.ops.mkldnn", object(), raising=False)
    has_bfloat16.cache_clear()
    assert has_bfloat16("cpu") is False
