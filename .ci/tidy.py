#!/usr/bin/env python3
"""Checks our sources with clang-tidy and our headers with clang, and skips what has not changed.

Run from the repository's root; `./dev lint` does. The compile commands are those of a clang build, so that clang's
warnings and its thread-safety analysis (all errors here) come with the same pass.

A file that passed is remembered by a key over everything that its result depends on: the file, every file of ours
that it includes, directly or not, its compile command, the checks, and the tool's version. Failures are never remembered.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path.cwd()
CACHE = ROOT / ".cache" / "tidy"
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]', re.MULTILINE)
OURS = [ROOT / "src", ROOT / "include", ROOT / "tests"]
# What is checked: the product. Tests, benchmarks and examples are compiled with all warnings as errors; to look at them
# here as well would more than double the time that every change waits.
CHECKED = [ROOT / "src", ROOT / "include"]


class Sources:
    """Which files of ours a file is made of."""

    def __init__(self):
        self.text = {}
        self.direct = {}

    def read(self, path):
        if path not in self.text:
            self.text[path] = path.read_bytes()
        return self.text[path]

    def included_by(self, path):
        if path not in self.direct:
            found = []
            for name in INCLUDE.findall(self.read(path).decode(errors="replace")):
                for folder in [path.parent, *OURS]:
                    if (folder / name).is_file():
                        found.append((folder / name).resolve())
                        break
            self.direct[path] = found
        return self.direct[path]

    def closure(self, path):
        seen, waiting = set(), [path]
        while waiting:
            file = waiting.pop()
            if file not in seen:
                seen.add(file)
                waiting.extend(self.included_by(file))
        return sorted(seen)


def key(sources, file, command, common):
    digest = hashlib.sha256(common)
    # The same in every clone: no absolute paths.
    digest.update(" ".join(command).replace(str(ROOT), "").encode())
    for part in sources.closure(file):
        digest.update(str(part.relative_to(ROOT)).encode() + b"\0" + sources.read(part) + b"\0")
    return digest.hexdigest()


def run(command):
    started = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
    return done.returncode, done.stdout, time.monotonic() - started


def compile_flags(command):
    """A compile command without what is about its output, the compiler and its launcher."""
    flags, skip = [], False
    for argument in command:
        if skip:
            skip = False
        elif argument in ("-o", "-c", "-MF", "-MT", "-MQ"):
            skip = True
        elif argument not in ("-MD", "-MMD") and not argument.endswith(("ccache", "clang++-19")):
            flags.append(argument)
    return flags


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, help="a configured build folder with compile_commands.json")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()

    version = subprocess.run(["clang-tidy-19", "--version"], capture_output=True, check=True).stdout
    common = version + b"".join((ROOT / name).read_bytes() for name in (".clang-tidy",))
    CACHE.mkdir(parents=True, exist_ok=True)
    sources = Sources()
    work = []  # (name, key, command)

    def sight(flags):
        return ("-I" + str(ROOT / "tests") in flags, flags.count("-isystem"))

    def add(name, file, flags, command):
        digest = key(sources, file, [name, *flags], common)
        if not (CACHE / digest).exists():
            work.append((name, digest, command))

    total = 0
    header_flags = None
    for entry in json.loads((pathlib.Path(options.build) / "compile_commands.json").read_text()):
        file = pathlib.Path(entry["file"]).resolve()
        if not file.is_relative_to(ROOT) or file.is_relative_to(ROOT / "build"):
            continue
        checked = any(file.is_relative_to(folder) for folder in CHECKED)
        flags = compile_flags(shlex.split(entry["command"]))
        # Headers are looked at with the flags of the test that sees most of other libraries' folders.
        if header_flags is None or sight(flags) > sight(header_flags):
            header_flags = flags
        if not checked:
            continue
        total += 1
        name = str(file.relative_to(ROOT))
        add(name, file, flags, ["clang-tidy-19", "--quiet", "-p", options.build, str(file)])
    for file in sorted(p for folder in CHECKED for p in folder.rglob("*.h") if "node_modules" not in p.parts):
        total += 1
        # A header on its own: what it uses it includes. The pragma that makes it so is no mistake in a main file.
        command = ["clang++-19", *header_flags, "-fsyntax-only", "-Wno-pragma-once-outside-header", "-x", "c++", str(file)]
        add(str(file.relative_to(ROOT)) + " (alone)", file.resolve(), header_flags, command)

    print(f"{total} to check, {total - len(work)} unchanged", flush=True)
    failed = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        running = {pool.submit(run, command): (name, digest) for name, digest, command in work}
        for number, done in enumerate(concurrent.futures.as_completed(running), 1):
            name, digest = running[done]
            status, output, seconds = done.result()
            print(f"[{number}/{len(work)}] {name} {seconds:.1f} s", flush=True)
            if status == 0:
                (CACHE / digest).touch()
                continue
            failed.append(name)
            lines = [line for line in output.splitlines() if not re.match(r"\d+ warnings? (generated|treated)|Suppressed |Use -header", line)]
            print("\n".join(lines), flush=True)
    if failed:
        print(f"lint: {len(failed)} of {total} failed: " + " ".join(failed), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
