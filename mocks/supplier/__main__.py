"""python -P -m mocks.supplier: the process of the supplier mock."""

import sys

from mocks.process import main
from mocks.supplier.mock import SupplierMock

if __name__ == "__main__":
    sys.exit(main(SupplierMock))
