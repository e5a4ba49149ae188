"""dltool convert from a server: what is fetched, when it is fetched again, and what is said of servers that fail."""

import hashlib
import http.server
import json
import threading

import trained
from cli import CliTest, main


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` (path -> bytes) with ETags; keeps the status of every answer."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.answers, self.versions, self.failures, self.cut = {}, [], True, 0, False


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, headers, body=b""):
        self.server.answers.append(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path.startswith("/moved/"):
            return self.answer(302, {"Location": path[len("/moved"):], "Content-Length": "0"})
        if self.server.failures:
            self.server.failures -= 1
            return self.answer(503, {"Content-Length": "4"}, b"busy")
        if path not in self.server.files:
            return self.answer(404, {"Content-Length": "9"}, b"not here\n")
        body = self.server.files[path]
        tag = '"' + hashlib.sha256(body).hexdigest()[:16] + '"'
        if self.server.versions and self.headers.get("If-None-Match") == tag:
            return self.answer(304, {})
        headers = {"Content-Length": str(len(body)), **({"ETag": tag} if self.server.versions else {})}
        self.answer(200, headers, body[:len(body) // 2] if self.server.cut else body)


class Urls(CliTest):
    def setUp(self):
        super().setUp()
        self.server = Server()
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.model = trained.newest_checkpoint(trained.digits()).read_bytes()
        self.server.files["/m/digits.ckpt.h5"] = self.model

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        super().tearDown()

    def names(self):
        return sorted(p.name for p in self.folder.iterdir())

    def test_fetches_and_converts(self):
        result = self.run_dltool("convert", self.url + "/m/digits.ckpt.h5?token=abc", "a.onnx", "--json").succeeds().json()
        self.assertEqual(result["source"], self.url + "/m/digits.ckpt.h5")
        self.run_dltool("convert", self.url + "/moved/m/digits.ckpt.h5", "--to", "keras", "--to", "h5").succeeds()
        self.assertEqual(self.names(), [".a.onnx.source", ".digits.h5.source", ".digits.keras.source", "a.onnx", "digits.h5", "digits.keras"])
        self.assertNotIn("abc", (self.folder / ".a.onnx.source").read_text())

    def test_only_what_is_new(self):
        args = ("convert", self.url + "/m/digits.ckpt.h5", "a.onnx", "--if-newer", "--json")
        status = lambda: self.run_dltool(*args).succeeds().json()["status"]  # noqa: E731
        self.assertEqual([status(), status()], ["converted", "skipped"])
        self.assertEqual(self.server.answers, [200, 304])
        (self.folder / "a.onnx").unlink()
        self.assertEqual([status(), status()], ["converted", "skipped"])
        other = self.run_dltool("convert", self.url + "/m/digits.ckpt.h5", "b.ckpt.h5").succeeds()
        self.server.files["/m/digits.ckpt.h5"] = (self.folder / "b.ckpt.h5").read_bytes()
        self.assertEqual([status(), status()], ["converted", "skipped"], other.stderr)
        (self.folder / ".a.onnx.source").write_text("{")
        self.assertEqual(status(), "converted")
        self.server.versions = False
        for _ in range(2):
            again = self.run_dltool(*args).succeeds()
            self.assertEqual(json.loads(again.stdout)["status"], "converted")
            self.assertIn("tells no version", again.stderr)

    def test_existing_result_needs_force(self):
        (self.folder / "a.onnx").write_text("mine")
        self.run_dltool("convert", self.url + "/m/digits.ckpt.h5", "a.onnx").fails(2, "exists already")
        self.assertEqual(self.server.answers, [])
        self.run_dltool("convert", self.url + "/m/digits.ckpt.h5", "a.onnx", "--force").succeeds()

    def test_a_busy_server_is_asked_again(self):
        self.server.failures = 1
        result = self.run_dltool("convert", self.url + "/m/digits.ckpt.h5", "a.onnx").succeeds()
        self.assertIn("the server answers 503; trying again", result.stderr)
        self.assertEqual(self.server.answers, [503, 200])

    def test_failures_leave_nothing(self):
        self.run_dltool("convert", self.url + "/none.keras", "a.onnx").fails(4, "/none.keras: cannot be fetched: the server answers 404")
        self.run_dltool("convert", self.url + "/", "--to", "onnx").fails(2, "names no file")
        self.run_dltool("convert", self.url + "/m/digits.ckpt.h5", "no/a.onnx").fails(2, "does not exist")
        self.server.files["/bad.keras"] = b"PK no archive"
        self.run_dltool("convert", self.url + "/bad.keras", "a.onnx").fails(3, self.url + "/bad.keras")
        self.server.cut = True
        self.run_dltool("convert", "http://me:secret@" + self.url[7:] + "/m/digits.ckpt.h5", "a.onnx").fails(
            4, "127.0.0.1:[0-9]+/m/digits.ckpt.h5: cannot be fetched", lines=3)  # after two warnings
        self.assertEqual(self.names(), [])

    def test_nobody_listens(self):
        self.server.shutdown()
        self.server.server_close()
        self.run_dltool("convert", self.url + "/m/digits.ckpt.h5", "a.onnx").fails(4, "cannot be fetched", lines=3)


if __name__ == "__main__":
    main()
