"""python -P -m mocks.payment: the process of the payment mock."""

import sys

from mocks.payment.mock import PaymentMock
from mocks.process import main

if __name__ == "__main__":
    sys.exit(main(PaymentMock))
