"""A shop just real enough to be broken: it answers at its port, has a worker that empties a queue, and process files.

`python fake_shop.py PORT PORT_FILE DATA`. It refuses to start where DATA/broken is, and comes up at another port where
DATA/wanders is.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SCHEMA = "CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, contact TEXT); PRAGMA journal_mode=WAL;"


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"{os.getpid()}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        return


def work(data: Path) -> None:
    while True:
        with sqlite3.connect(data / "shop.db") as database:
            database.execute("DELETE FROM jobs")
        time.sleep(0.02)


def main() -> None:
    if sys.argv[1] == "work":
        work(Path(sys.argv[2]))
    port, port_file, data = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    if (data / "broken").exists():
        sys.exit("the database is damaged")
    port = 0 if (data / "wanders").exists() else port
    with sqlite3.connect(data / "shop.db") as database:
        database.executescript(SCHEMA)
    server = ThreadingHTTPServer(("127.0.0.1", port), Page)
    worker = subprocess.Popen([sys.executable, __file__, "work", str(data)])
    (data / "web.pid").write_text(f"{os.getpid()}\n")
    (data / "worker.pid").write_text(f"{worker.pid}\n")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port_file.with_suffix(".part").write_text(f"{server.server_port}\n")
    port_file.with_suffix(".part").replace(port_file)
    signal.sigwait({signal.SIGTERM})
    worker.terminate()
    sys.exit(0)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM} if sys.argv[1] != "work" else set())
    main()
