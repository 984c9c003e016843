"""Small networks of the kinds that other libraries have: everything works, or one line says what to do instead."""

from __future__ import annotations

import re

import pytest

from networks import kinds_other, kinds_text, kinds_vision  # noqa: F401  they register their kinds
from networks.harness import check
from networks.kinds import KINDS


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(name, id=name.replace(" ", "-")) for name in KINDS])
def test_a_kind_of_network_works_or_is_refused_in_one_line(name):
    kind = KINDS[name]
    report = check(kind.case)
    if kind.refused:
        assert report.outcome == "refused", report.reason
        assert re.search(kind.refused, report.reason)
        return
    assert report.outcome == "everything", report.reason
    found = {site for site in kind.sites if site not in report.names}
    assert not found, f"not conditioned: {found}"
    assert not set(kind.left_out) & set(report.names)
    assert not report.coverage.still, "sites that never run"
    assert report.coverage.share >= kind.share, f"not conditioned: {report.coverage.missing}"
