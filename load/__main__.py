"""`python -P -m load`."""

import locust  # first of all: it swaps this process's sockets and threads for gevent's

from load.main import main

assert locust
raise SystemExit(main())
