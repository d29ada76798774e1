"""events.py WINNOW DIRECTORY - the live page of a run that has not begun, goes on, is killed, goes on again, ends, gains scores and is
damaged; and what a stream's client misses between two connections."""
import json
import signal
import sqlite3
import subprocess

from watching import Folder, Server, Stream, arguments, check, wait_for

PROMPTS = ("one", "two & <three>", "four", "five")


def rows_of(folder):
    return {row["candidate"]: row for row in map(json.loads, (folder.run / "results.jsonl").read_text().splitlines())}


def read_until(stream, seen, holds):
    """Reads events into seen, [(kind, data, id)], until one holds."""
    while not seen or not holds(*seen[-1][:2]):
        seen.append(stream.event())
    return seen[-1]


def is_state(state):
    return lambda kind, data: kind == "progress" and data["state"] == state


def check_numbers(ids):
    numbers = [int(i.split("-")[1]) for i in ids]
    check(numbers == list(range(numbers[0], numbers[0] + len(numbers))), f"events are numbered in a row, not {numbers}")
    check(len({i.split("-")[0] for i in ids}) == 1, "one epoch")


def check_life(folder, server):
    """From nothing to the end, with a kill in between. Returns all events."""
    seen = []
    stream = Stream(server)
    check(stream.headers["Content-Type"].startswith("text/event-stream"), "the stream's type")
    _, data, _ = read_until(stream, seen, is_state("waiting"))
    check("no run" in data["text"], "what a page says that waits")
    run = folder.start_run()
    read_until(stream, seen, lambda kind, data: kind == "candidate")
    check(run.poll() is None, "a candidate is told while the run goes on")
    run.send_signal(signal.SIGKILL)
    run.wait()
    read_until(stream, seen, is_state("stopped"))
    run = folder.start_run()
    read_until(stream, seen, is_state("running"))
    _, data, _ = read_until(stream, seen, is_state("ended"))
    check(run.wait() == 0, "the run's end")
    check(data["prompts"] == data["done"] == len(PROMPTS) and data["share"] == 1, f"the end: {data}")
    stream.close()
    return seen


def check_told(folder, seen):
    """What was told is what happened."""
    rows = rows_of(folder)
    resets = [i for i, (kind, _, _) in enumerate(seen) if kind == "reset"]
    check(len(resets) == 1, f"{len(resets)} resets: only the run's beginning is one")
    told = {}
    for kind, data, _ in seen[resets[0]:]:
        if kind == "candidate":
            check(data["candidate"] not in told, "a candidate is told once")
            told[data["candidate"]] = data
            row = rows[data["candidate"]]
            check(all(data[k] == row[k] for k in ("trial", "prompt_id", "ordinal", "point", "finished", "nfe_total")), f"{data}")
        elif kind == "scores":
            told[data["candidate"]]["scores"].update(data["scores"])
    check(len(told) >= len(rows) // 2, f"{len(told)} of {len(rows)} candidates were told")
    check(all(data["scores"] == rows[i]["scores"] for i, data in told.items()), "scores are the ledger's")
    done = {data["prompt_id"] for kind, data, _ in seen if kind == "trial" and data["state"] == "done"}
    check(done == {row["prompt_id"] for row in rows.values()}, f"done: {done}")
    rates = [data["nfe_per_second"] for kind, data, _ in seen if kind == "progress" and data["state"] == "running"]
    check(any(rate and rate > 0 for rate in rates), "a rate is told")
    check(any(data["eta_seconds"] is not None for kind, data, _ in seen if kind == "progress"), "an ETA is told")
    check_numbers([i for _, _, i in seen[1:]])
    return told


def check_resume(server, seen):
    """Whoever comes back is told what was missed, exactly; whoever comes from elsewhere is told to begin anew."""
    at = len(seen) // 2
    again = Stream(server, f"Last-Event-ID: {seen[at][2]}\r\n".encode())
    check([again.event() for _ in seen[at + 1:]] == seen[at + 1:], "events after a lost connection")
    again.close()
    head = seen[-1][2]
    for event_id in ("0123456789abcdef-3", head.split("-")[0] + "-9999999999"):
        other = Stream(server, f"Last-Event-ID: {event_id}\r\n".encode())
        kind, _, i = other.event()
        check(kind == "reset" and i == head, f"{event_id}: {kind} {i}")
        other.close()


def check_page(folder, server):
    status, _, page = server.get("/")
    page = page.decode()
    check(status == 200 and "two &amp; &lt;three&gt;" in page and "watched &amp;amp; run" in page, "texts are escaped")
    check(page.count("<svg") >= 4 and "Best of n" in page and "Best so far" in page, "the report's plots are there")
    check("style=" not in page and "<style" not in page and page.count("<script") == 1, "no style and no script stands in the page")
    _, headers, parts = server.get("/parts")
    check(parts.decode().strip() in page and f'data-version="{headers["Winnow-Version"]}"' in page, "the parts are the page's")
    for row in rows_of(folder).values():
        address = page.split("/picture/")[1].split("/")[0]
        status, headers, body = server.get(f"/picture/{address}/{row['trial']}/{row['candidate']}.png")
        check(status == 200 and body == (folder.run / row["image"]).read_bytes(), f"the picture of {row['candidate']}")
        check(headers["Content-Type"] == "image/png" and "immutable" in headers["Cache-Control"], "a picture's headers")


def change(folder, sql, *values):
    with sqlite3.connect(folder.run / "ledger.db") as db:
        db.execute(sql, values)
    db.close()


def check_new_scores(folder, server):
    """A verifier that comes later scores what is there."""
    candidate, verifier, metric, value = scores_of_one(folder)
    before = server.get("/parts")[1]["Winnow-Version"]
    change(folder, "DELETE FROM scores WHERE trial=0 AND candidate=? AND verifier=?", candidate, verifier)
    wait_for("a change is noticed", lambda: server.get("/parts")[1]["Winnow-Version"] != before)
    stream, seen = Stream(server), []
    read_until(stream, seen, lambda kind, data: kind == "progress")
    change(folder, "INSERT INTO scores VALUES(0,?,?,?,?,0)", candidate, verifier, metric, value)
    _, data, _ = read_until(stream, seen, lambda kind, data: kind == "scores")
    check(data == {"trial": 0, "candidate": candidate, "scores": {f"{verifier}.{metric}": value}}, f"{data}")
    stream.close()


def scores_of_one(folder):
    with sqlite3.connect(folder.run / "ledger.db") as db:
        row = db.execute("SELECT candidate, verifier, metric, value FROM scores WHERE trial=0 AND verifier='far'").fetchone()
    db.close()
    return row


def check_damage(folder, server):
    """A ledger that breaks is told of, and the server goes on."""
    (folder.run / "ledger.db").write_bytes(b"no database" * 1000)
    wait_for("a damaged ledger is told of", lambda: b"broken" in server.get("/")[2])
    check(b"cannot read" in server.get("/")[2], "what is wrong is said")


def check_port(program, folder, server):
    done = subprocess.run([program, "watch", str(folder.run), "--port", str(server.port)], capture_output=True, text=True)
    check(done.returncode == 2 and "choose another --port" in done.stderr, f"a port that is taken: {done.stderr}")
    done = subprocess.run([program, "watch", str(folder.run), "--port", "65536"], capture_output=True, text=True)
    check(done.returncode == 2 and "65535" in done.stderr, f"a port that is none: {done.stderr}")


def check_seconds(program, path):
    """A budget of seconds, not the candidates that it will not reach, says how much of a run is left."""
    folder = Folder(program, f"{path}/timed", delay_us=20000, candidates=100000, budget={"run_seconds": 3})
    server, seen = Server(program, folder.run), []
    stream = Stream(server)
    run = folder.start_run()
    read_until(stream, seen, is_state("ended"))
    check(run.wait() == 0, "the end of a run on time")
    told = [data for kind, data, _ in seen if kind == "progress" and data["state"] in ("running", "ended")]
    check(all(data["seconds_spent"] is not None and data["seconds_left"] <= 3 for data in told), "the budget is told")
    for data in told:
        check(data["eta_seconds"] is None or data["eta_seconds"] <= data["seconds_left"], f"more left than there is: {data}")
        check(" of 300" not in data["text"], f"candidates that nobody has time for: {data['text']}")
    check(any(data["eta_seconds"] is not None and data["share"] > 0.1 for data in told), "an ETA is told")
    check(told[-1]["seconds_left"] == 0 and told[-1]["share"] == 1, f"the end: {told[-1]}")
    stream.close()
    server.end()


def check_unfinished(program, path):
    """Samples that a search left on the way are no candidates of its plan."""
    folder = Folder(program, path + "_unfinished")
    plan = json.loads((folder.path / "spec.json").read_text())
    plan["search"] = {"use": "halving", "guide": "near", "options": {"candidates": 8}}
    (folder.path / "spec.json").write_text(json.dumps(plan))
    folder.make_run()
    server = Server(program, folder.run)
    stream = Stream(server)
    _, data, _ = read_until(stream, [], is_state("ended"))
    finished = sum(row["finished"] for row in rows_of(folder).values())
    check(data["candidates"] == data["candidates_planned"] == finished < len(rows_of(folder)), f"finished ones count: {data}")
    stream.close()
    server.end()


def main():
    program, path = arguments()
    check_unfinished(program, path)
    folder = Folder(program, path, prompts=PROMPTS, delay_us=40000, candidates=12)
    server = Server(program, folder.run)
    seen = check_life(folder, server)
    told = check_told(folder, seen)
    check_resume(server, seen)
    check_page(folder, server)
    check_new_scores(folder, server)
    check_port(program, folder, server)
    stream = Stream(server)  # one that sleeps while the server ends
    server.end()
    stream.close()
    server = Server(program, folder.run)
    check(b'class="ended"' in server.get("/")[2], "a run that has ended")
    check_page(folder, server)
    check_damage(folder, server)
    server.end(signal.SIGTERM)
    check_seconds(program, path)
    print(f"{len(seen)} events, {len(told)} candidates of {len(rows_of(folder))} told as they came")


main()
