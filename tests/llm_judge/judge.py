"""judge.py WINNOW DIRECTORY - llm_judge through the command, against a server on this machine that misbehaves (mock.py, cases.py)."""
import base64
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import cases
import mock

KEY = "sk-canary-f00dfacecafe0123456789-never-to-be-seen"
WINNOW, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
ENV = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
ENV |= {"MOCK_API_KEY": KEY, "XDG_CACHE_HOME": str(FOLDER / "xdg")}
ENV.pop("OPENAI_API_KEY", None)
failures, said = [], []


def check(condition, *what):
    if not condition:
        failures.append(" ".join(map(str, what)))


def spec(name, prompts, port, use="llm_judge", scheme="http", candidates=1, guide="near", **options):
    path = FOLDER / f"{name}.json"
    options = {"model": "mock-1", "base_url": f"{scheme}://127.0.0.1:{port}/v1", "key_env": "MOCK_API_KEY", "attempts": 3,
               "backoff": 0.01, "max_wait": 5, "timeout": 30, "cache": str(FOLDER / "cache" / name)} | options
    path.write_text(json.dumps({
        "winnow": 0, "name": "judge", "seed": 3, "output": "unused", "prompts": {"list": prompts},
        "canvas": {"width": 64, "height": 64, "steps": 2}, "sampler": {"use": "analytic"},
        "verifiers": {"near": {"use": "analytic"}, "llm": {"use": use, "options": options}},
        "search": {"use": "random", "guide": guide, "options": {"candidates": candidates}},
        "judge": ["llm" if guide == "near" else "near"]}))
    return path


def command(*arguments, **other):
    done = subprocess.run([WINNOW, *map(str, arguments)], capture_output=True, text=True, env=ENV | other.pop("env", {}), timeout=250,
                          **other)
    said.append(done.stdout + done.stderr)
    return done


def run(path, name=None, *more):
    """Runs a spec; the rows of its results, and what the run's log says."""
    out = FOLDER / "runs" / (name or path.stem)
    done = command("run", path, "--output", out, "--log-level", "debug", *more)
    check(done.returncode == 0, path.stem, "exit", done.returncode, done.stderr)
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    return rows, (out / "log.txt").read_text()


def llm(row):
    return [row["scores"]["llm." + name] for name in ["overall", *mock.ASPECTS]]


def expected(prompt):
    values = mock.values_of(prompt)
    return [sum(values) / 5, *values]


def near(got, want):
    return got is not None and abs(got - want) < 1e-9


# ---- tests ----

def test_misbehaviour():
    """Every case at once: no crash, no lost score, and as many requests as there should be."""
    elsewhere = mock.Server()
    all_cases = dict(cases.CASES)
    for code in (301, 307, 308):
        where = f"Location: http://127.0.0.1:{elsewhere.port}/v1/chat/completions"
        all_cases[str(code)] = ([mock.fails(f"{code} Moved", headers=[where]), mock.good], 1, False)
    server = mock.Server({name: case[0] for name, case in all_cases.items()})
    path = spec("misbehaviour", list(all_cases), server.port, parallel=12, timeout=3, body_timeout=1)
    rows, log = run(path)
    check(len(rows) == len(all_cases), "rows", len(rows))
    for row in rows:
        _, requests, has_score = all_cases[row["prompt"]]
        check(server.count(row["prompt"]) == requests, row["prompt"], "requests:", server.count(row["prompt"]), "want", requests)
        want = expected(row["prompt"]) if has_score else [None] * 6
        check(all(g == w or near(g, w) for g, w in zip(llm(row), want)), row["prompt"], "scores", llm(row), "want", want)
    first, second = server.times["429 seconds"]
    check(second - first >= 1, "Retry-After: 1 was not waited for:", second - first)
    check(server.times["429 date"][1] >= server.retry_date, "the date of Retry-After was not waited for")
    check(not elsewhere.seen, "a redirection was followed")
    check(all(r.key == "Bearer " + KEY for r in server.seen), "the key did not reach the server")
    check(server.most_running <= 12, "more requests at a time than allowed:", server.most_running)
    check("the key ***" in log.replace("Bearer ", ""), "the log does not show the masked key:", log[-2000:])
    print(f"misbehaviour: {len(all_cases)} cases, {len(server.seen)} requests")
    test_offline(path, rows)
    for s in (server, elsewhere):
        s.end()


def test_offline(path, rows):
    """The same run again, elsewhere, without a network: the same scores, and no request."""
    again, log = run(path, "offline", "--set", "verifiers.llm.options.offline=true")
    check([llm(row) for row in again] == [llm(row) for row in rows], "offline scores differ")
    check(log.count("are not in the cache") == 1, "offline: not one warning")
    check(" 0 requests" in log, "offline: requests were made")
    for entry in (FOLDER / "cache" / "misbehaviour").iterdir():
        entry.write_text(entry.read_text().replace("0", "9"))
    damaged, log = run(path, "damaged", "--set", "verifiers.llm.options.offline=true")
    check(log.count("is damaged") == 1 and not all(llm(row)[0] for row in damaged), "a damaged cache is believed")


def test_quiet():
    """A server that says when to come back is left alone until then, by all questions."""
    server = mock.Server({"p0": [mock.fails("429 Busy", headers=["Retry-After: 1"]), mock.good]})
    rows, _ = run(spec("quiet", [f"p{i}" for i in range(6)], server.port, parallel=1))
    came = sorted(time for times in server.times.values() for time in times)
    check(all(llm(row) == expected(row["prompt"]) for row in rows) and len(came) == 7, "quiet: scores or requests")
    refused = server.times["p0"][0]
    check(all(time <= refused or time >= refused + 1 for time in came), "the server was asked while it wanted quiet")
    server.end()


def test_providers():
    """The other two dialects: what is sent, what is read, and their own ways to fail."""
    daily = {"error": {"status": "RESOURCE_EXHAUSTED", "message": "spent", "details": [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "RequestsPerDayPerProject"}]}]}}
    minute = {"error": {"status": "RESOURCE_EXHAUSTED", "message": "slowly", "details": [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "RequestsPerMinute"}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.5s"}]}}
    both = {"plain": ([mock.good], 1, True), "overloaded": ([mock.fails("529 Overloaded"), mock.good], 2, True),
            "wrong": ([mock.bends(cases.put("originality", 101)), mock.good], 2, True)}
    own = {
        "gemini": {"daily": ([mock.fails("429 Busy", daily), mock.good], 1, False),
                   "minute": ([mock.fails("429 Busy", minute), mock.good], 2, True),
                   "safety": ([mock.says("{}", finish="SAFETY"), mock.good], 1, False),
                   "blocked": ([mock.raw(lambda r: mock.http(b'{"promptFeedback":{"blockReason":"OTHER"}}')), mock.good], 1, False),
                   "cut": ([mock.says("{\"rea", finish="MAX_TOKENS"), mock.good], 2, True)},
        "anthropic": {"refusal": ([mock.says("{}", finish="refusal"), mock.good], 1, False),
                      "cut": ([mock.says("{}", finish="max_tokens"), mock.good], 2, True),
                      "no tool": ([mock.raw(lambda r: mock.http(b'{"content":[{"type":"text","text":"hi"}]}')), mock.good], 2, True)},
    }
    for provider, more in own.items():
        all_cases = both | more
        server = mock.Server({name: case[0] for name, case in all_cases.items()})
        rows, _ = run(spec(provider, list(all_cases), server.port, provider=provider, extra={"metadata": {"user_id": "u"}}))
        for row in rows:
            _, requests, has_score = all_cases[row["prompt"]]
            check(server.count(row["prompt"]) == requests, provider, row["prompt"], "requests:", server.count(row["prompt"]))
            check(llm(row) == (expected(row["prompt"]) if has_score else [None] * 6), provider, row["prompt"], llm(row))
        seen = server.seen[0]
        check(seen.key == KEY and len(seen.images) == 1, provider, "key or image is not where it belongs")
        check(seen.body["metadata"] == {"user_id": "u"}, provider, "extra was not merged")
        if provider == "gemini":
            gaps = server.times["minute"]
            check(gaps[1] - gaps[0] >= 0.5, "RetryInfo was not waited for")
            check(seen.path == "/v1/models/mock-1:generateContent", seen.path)
            check(seen.body["generationConfig"]["responseSchema"]["propertyOrdering"][0] == "reason", "no schema")
        else:
            check(seen.path == "/v1/messages" and seen.headers["anthropic-version"] == "2023-06-01", seen.path)
            check(seen.body["tool_choice"]["name"] == seen.body["tools"][0]["name"] and "temperature" not in seen.body, "the tool is not forced")
        server.end()


def test_request():
    """What stands in an OpenAI request; extra replaces and removes; votes are averaged over their seeds."""
    def by_seed(request, sock):
        sock.sendall(mock.http(request.envelope(mock.verdict([10 * request.body["seed"]] * 5))))
        return True
    server = mock.Server(default=by_seed)
    rows, log = run(spec("request", ['a "quoted" \\ {prompt} \u00e9'], server.port, votes=3, temperature=1, max_side=32,
                         extra={"max_tokens": None, "max_completion_tokens": 77, "response_format": {"json_schema": {"strict": False}}}))
    check(llm(rows[0]) == [10] * 6, "mean of votes:", llm(rows[0]))
    body = server.seen[0].body
    check(server.seen[0].prompt == 'a "quoted" \\ {prompt} \u00e9', "the prompt came as", server.seen[0].prompt)
    check("max_tokens" not in body and body["max_completion_tokens"] == 77 and body["temperature"] == 1, "extra:", list(body))
    check(body["response_format"]["json_schema"]["strict"] is False, "extra is not merged in depth")
    schema = body["response_format"]["json_schema"]["schema"]
    check(schema["required"] == ["reason", *mock.ASPECTS] and schema["additionalProperties"] is False, schema)
    png = base64.b64decode(server.seen[0].images[0], validate=True)
    check(png[16:24] == bytes([0, 0, 0, 32, 0, 0, 0, 32]), "the image was not made smaller:", png[:32])
    check("3000 tokens in, 300 out" in log, "tokens:", log[-800:])
    server.end()


def test_pairs():
    """Pairwise, with a server that leans towards the first picture: the lean is taken out, whoever meets whom."""
    values = {}

    def prefer(request, sock):
        one, other = (mock.zlib.crc32(image.encode()) % 40 for image in request.images)
        values[tuple(request.images)] = 50 + one - other
        sock.sendall(mock.http(request.envelope(mock.verdict([50 + one - other + 9] * 5))))
        return True
    for opponents, met, requests in ((10, 5, 30), (2, 2, 12)):
        server = mock.Server(default=prefer)
        values.clear()
        rows, log = run(spec(f"pairs{opponents}", ["x"], server.port, use="llm_judge_pairwise", candidates=6, opponents=opponents))
        of = {}
        for (one, other), value in values.items():
            of.setdefault(one, []).append(value)
        check(len(server.seen) == requests, "pairwise requests:", len(server.seen), "want", requests)
        check(all(len(v) == met for v in of.values()) and len(of) == 6, "who met whom:", {k[-8:]: len(v) for k, v in of.items()})
        got, want = sorted(llm(row)[0] for row in rows), sorted(sum(v) / len(v) for v in of.values())
        check(all(near(g, w) for g, w in zip(got, want)) and len(got) == 6, "pairwise scores", got, "want", want)
        check("preferred by +9.0 points" in log, "the lean is not told:", log[-500:])
        server.end()


def test_lonely_pair():
    """A pair of which one order has no answer counts for nothing; one picture cannot be compared."""
    half = []

    def first_only(request, sock):
        key = tuple(sorted(request.images))
        half.append(key)
        return mock.good(request, sock) if half.count(key) == 1 else mock.fails("400 No")(request, sock)
    server = mock.Server(default=first_only)
    rows, _ = run(spec("half", ["x"], server.port, use="llm_judge_pairwise", candidates=2, parallel=1))
    check([llm(row) for row in rows] == [[None] * 6] * 2 and len(server.seen) == 2, "half a pair:", [llm(row) for row in rows])
    rows, _ = run(spec("lonely", ["x"], server.port, use="llm_judge_pairwise"))
    check(llm(rows[0]) == [None] * 6 and len(server.seen) == 2, "lonely:", llm(rows[0]))
    server.end()


def test_limits():
    """Calls, tokens and cost; what is left has no score and one line says so. A server that turns everybody down is left alone."""
    prompts = [f"p{i}" for i in range(8)]
    for name, limit, requests in (("calls", {"max_calls": 3}, 3), ("tokens", {"max_tokens": 3500}, 3),
                                  ("cost", {"max_cost": 0.0075, "price_in": 1, "price_out": 5}, 5)):
        server = mock.Server()
        rows, log = run(spec(name, prompts, server.port, **limit))
        check(len(server.seen) == requests, name, "requests:", len(server.seen), "want", requests)
        check(sum(llm(row)[0] is not None for row in rows) == requests, name, "scores are lost")
        check(log.count("a limit is reached") == 1, name, "not one warning")
        server.end()
    server = mock.Server(default=mock.fails("401 Who"))
    rows, log = run(spec("closed", prompts, server.port, parallel=1))
    check(len(server.seen) == 5 and log.count("is not asked again") == 1, "closed: requests", len(server.seen))
    server.end()


def test_interrupt():
    """Ctrl-C ends a run whose server is silent, and one that waits to ask again; then it goes on, with what was paid for."""
    for name, reply in (("silent", mock.stall), ("busy", mock.fails("503 Away", headers=["Retry-After: 300"]))):
        server = mock.Server({"b": [reply]})
        path = spec(name, ["a", "b"], server.port, guide="llm", timeout=600, max_wait=600)
        out = FOLDER / "runs" / name
        process = subprocess.Popen([WINNOW, "run", path, "--output", out], env=ENV, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        while not (server.count("a") and server.count("b")):
            server.stop.wait(0.02)
        server.stop.wait(0.3)
        process.send_signal(signal.SIGINT)
        said.append("".join(process.communicate(timeout=60)))
        check(process.returncode == 75, name, "interrupted: exit", process.returncode)
        server.cases = {}
        rows, _ = run(path, name)
        check([llm(row) for row in rows] == [expected(row["prompt"]) for row in rows], name, "went on with", [llm(row) for row in rows])
        check(server.count("a") == 1, name, "what was answered was asked again")
        server.end()


def certificate(name, host):
    key, pem = FOLDER / f"{name}.key", FOLDER / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=judge", "-addext", f"subjectAltName={host}", "-keyout", key, "-out", pem],
                   check=True, capture_output=True)
    return pem, key


def test_tls():
    """An unknown certificate, one of another host, no TLS at all; and the right one."""
    picture = next((FOLDER / "runs" / "calls" / "images").glob("*/*.png"))
    right, other = certificate("right", "IP:127.0.0.1"), certificate("other", "DNS:elsewhere.example")
    for name, pair, trusted, fine in (("unknown", right, "", False), ("elsewhere", other, other[0], False), ("trusted", right, right[0], True)):
        server = mock.Server(certificate=pair)
        path = spec("tls-" + name, ["x"], server.port, scheme="https", ca_file=str(trusted), cache="off")
        done = command("score", "--spec", path, "--json", "--prompt", "x", picture)
        got = json.loads(done.stdout)["images"][0]["scores"]["llm"]["overall"]
        check(near(got, expected("x")[0]) if fine else got is None and not server.seen, "tls", name, got, len(server.seen))
        server.end()
    server = mock.Server()
    done = command("score", "--spec", spec("tls-none", ["x"], server.port, scheme="https", attempts=1, timeout=2), "--json",
                   "--prompt", "x", picture)
    check(json.loads(done.stdout)["images"][0]["scores"]["llm"]["overall"] is None and not server.seen, "TLS to a server without")
    server.end()


def test_refusals():
    """Options that cannot be: one error each, which says what to do and never shows a key."""
    (FOLDER / "typo.txt").write_text("winnow judge template 1, pointwise\n[system]\nx\n[user]\n{promt} {prompt}\n")
    (FOLDER / "none.txt").write_text("winnow judge template 1, pointwise\n[system]\nx\n[user]\nx\n")
    (FOLDER / "pair.txt").write_text("winnow judge template 1, pairwise\n[system]\nx\n[user]\n{prompt}\n")
    (FOLDER / "file").write_text("")
    for options, part in (
            ({"base_url": "http://example.com/v1"}, "https:// is wanted"),
            ({"base_url": "http://127.0.0.1.example.com/v1"}, "https:// is wanted"),
            ({"base_url": "ftp://127.0.0.1/v1"}, "https:// is wanted"),
            ({"base_url": f"https://u:{KEY}@127.0.0.1/v1"}, "a user name"),
            ({"base_url": f"https://127.0.0.1/v1?key={KEY}"}, "a query"),
            ({"base_url": "127.0.0.1"}, "is no URL"),
            ({"key_env": "HOME"}, "_API_KEY"),
            ({"key_env": "UNSET_API_KEY"}, "UNSET_API_KEY is not set"),
            ({"key_env": "BAD_API_KEY"}, "no header can carry, at byte"),
            ({"base_url": "", "key_env": ""}, "OPENAI_API_KEY is not set"),
            ({"extra": []}, "extra is not an object"),
            ({"extra": {"messages": []}}, "extra has the member messages"),
            ({"max_cost": 1}, "price_in and price_out"),
            ({"offline": True, "cache": "off"}, "nothing to answer from"),
            ({"cache": str(FOLDER / "file")}, "file as the cache"),
            ({"provider": "gemini", "model": "../x"}, "of letters, digits"),
            ({"template": str(FOLDER / "typo.txt")}, 'line 5: "{promt}" is no placeholder'),
            ({"template": str(FOLDER / "none.txt")}, "{prompt} stands 0 times"),
            ({"template": str(FOLDER / "pair.txt")}, 'reads "winnow judge template 1, pointwise"')):
        path = spec("refused", ["x"], 9, **options)
        done = command("run", path, "--output", FOLDER / "runs" / "refused", env={"BAD_API_KEY": KEY + "\n"})
        check(done.returncode in (1, 2, 3) and part in done.stderr, options, "exit", done.returncode, done.stderr)
        for file in (path, FOLDER / "runs" / "refused" / "spec.json", FOLDER / "runs" / "refused" / "spec.resolved.json"):
            file.unlink(missing_ok=True)  # the two with the key in the URL were written by us


def test_no_key_anywhere():
    """The canary is in no file and no word that the commands left behind."""
    marks = [KEY.encode(), KEY[:16].encode(), KEY[-12:].encode(), base64.b64encode(KEY.encode())[:40], KEY.encode().hex().encode()]
    looked_at = 0
    for file in FOLDER.rglob("*"):
        if file.is_file() and "refused" not in file.parts:
            looked_at += 1
            check(not any(mark in file.read_bytes() for mark in marks), "the key is in", file)
    for text in said:
        check(not any(mark in text.encode() for mark in marks), "the key was said:", text[:3000])
    print(f"no key in {looked_at} files and {len(said)} outputs")


def main():
    if not shutil.which("openssl"):
        print("skipped: no openssl to make certificates with", file=sys.stderr)
        return 77
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "runs").mkdir(parents=True)
    groups = ([test_misbehaviour], [test_quiet, test_providers, test_request, test_pairs, test_lonely_pair],
              [test_limits, test_tls], [test_interrupt, test_refusals])  # side by side, since they mostly wait
    with concurrent.futures.ThreadPoolExecutor(len(groups)) as pool:
        for done in [pool.submit(lambda tests: [test() for test in tests], group) for group in groups]:
            done.result()
    test_no_key_anywhere()
    print("\n".join(failures), file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
