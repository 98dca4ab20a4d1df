"""A stand-in for the Hugging Face hub on the loopback: what huggingface_hub calls to create, to ask and to commit."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

TOKEN = "hf_of_the_tests"
LARGE = 100_000  # bytes from which a file goes by LFS


class HubStandIn:
    """Holds repositories in memory; a context manager that serves them.

    Attributes:
        repos: Repository to its files by branch.
        private: The repositories that are private.
        commits: What each commit said.
        requests: Method and path of each request.
        broken: Answer every request to a path that contains it with status 500.
    """

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, dict[str, bytes]]] = {}
        self.private: set[str] = set()
        self.commits: list[str] = []
        self.requests: list[str] = []
        self.lfs: dict[str, bytes] = {}
        self.broken = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """The endpoint, for HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "HubStandIn":
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def answer(self, method: str, path: str, body: bytes, token: str) -> tuple[int, Any]:
        """Answer a request with a status and a value for JSON."""
        self.requests.append(f"{method} {path}")
        words = unquote(path).strip("/").split("/")
        if words[0] == "lfs" and method == "PUT":
            if hashlib.sha256(body).hexdigest() != words[1]:
                return 400, {"error": "not what was announced"}
            self.lfs[words[1]] = body
            return 200, {}
        if token != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid credentials"}
        if self.broken and self.broken in path:
            return 500, {"error": "broken on purpose"}
        if words == ["api", "validate-yaml"]:
            return 200, {"errors": [], "warnings": []}
        if words == ["api", "repos", "create"]:
            return self._create(json.loads(body))
        if words[-1] == "batch":
            return self._batch(json.loads(body))
        repo = "/".join(words[2:4])
        if repo not in self.repos:
            return 404, {"error": "Repository not found"}
        return self._of_repo(method, repo, words[4:], body)

    def _create(self, asked: dict[str, Any]) -> tuple[int, Any]:
        repo = f"{asked['organization']}/{asked['name']}"
        if repo in self.repos:
            return 409, {"error": "You already created this model repo", "url": f"{self.url}/{repo}"}
        self.repos[repo] = {"main": {}}
        if asked.get("visibility") == "private" or asked.get("private"):
            self.private.add(repo)
        return 200, {"url": f"{self.url}/{repo}", "name": repo, "id": repo}

    def _batch(self, asked: dict[str, Any]) -> tuple[int, Any]:
        def action(each: dict[str, Any]) -> dict[str, Any]:
            known = each["oid"] in self.lfs
            return {**each, **({} if known else {"actions": {"upload": {"href": f"{self.url}/lfs/{each['oid']}"}}})}

        return 200, {"transfer": "basic", "objects": [action(each) for each in asked["objects"]]}

    def _of_repo(self, method: str, repo: str, words: list[str], body: bytes) -> tuple[int, Any]:
        branches = self.repos[repo]
        if method == "GET":
            return 200, {"id": repo, "private": repo in self.private, "tags": [], "siblings": [], "downloads": 0}
        what, branch = words[0], words[1]
        if what == "branch":
            branches.setdefault(branch, dict(branches["main"]))
            return 200, {}
        if branch not in branches:
            return 404, {"error": "Revision not found"}
        if what == "preupload":
            files = json.loads(body)["files"]
            modes = [("lfs" if each["size"] >= LARGE else "regular", each["path"]) for each in files]
            return 200, {"files": [{"path": path, "uploadMode": mode, "shouldIgnore": False} for mode, path in modes]}
        assert what == "commit", words
        return self._commit(repo, branch, [json.loads(line) for line in body.splitlines()])

    def _commit(self, repo: str, branch: str, lines: list[dict[str, Any]]) -> tuple[int, Any]:
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.commits.append(value["summary"])
            elif line["key"] == "file":
                self.repos[repo][branch][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.repos[repo][branch][value["path"]] = self.lfs[value["oid"]]
        oid = f"{len(self.commits):040x}"
        return 200, {"commitUrl": f"{self.url}/{repo}/commit/{oid}", "commitOid": oid, "success": True}


def _handler(hub: HubStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            status, value = hub.answer(
                self.command, self.path.partition("?")[0], self._body(), self.headers.get("Authorization", "")
            )
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            content = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content

        do_GET = do_POST = do_PUT = _do

        def log_message(self, *_: object) -> None:
            pass

    return Handler
