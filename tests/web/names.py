"""Names of the pages that applications bring, in their order."""

import pytest

from yoto import registry

PAGES = tuple(name for name, row in registry.applications(pytest.fail).items() if row.page is not None)
