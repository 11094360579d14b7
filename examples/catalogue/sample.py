#!/usr/bin/env python3
"""Writes the small catalogue that `forebay demo` uses where there is no apt: `./sample.py > packages`.

Takes some well-known packages and everything that they need (of alternatives the first that exists) from this machine's
own catalogue, and of each only the fields that the demo shows. Needs apt and its lists (apt-get update).
"""
import re
import subprocess
import sys

ROOTS = """apache2 bash build-essential ca-certificates cmake curl git gnupg htop jq libgtk-3-0 memcached nginx nodejs
openssh-server openssl php-cli postgresql-15 python3-numpy python3-redis python3-requests redis-server rsync ruby sqlite3
sudo systemd tmux vim wget""".split()
FIELDS = ["Package", "Version", "Section", "Depends", "Description"]
NAME = re.compile(r"[a-z0-9][a-z0-9.+-]*")


def read_catalogue():
    packages = {}
    text = subprocess.run(["apt-cache", "dumpavail"], check=True, capture_output=True, text=True).stdout
    for stanza in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and not line.startswith(" "))
        if "Package" in fields:
            packages.setdefault(fields["Package"], fields)
    return packages


def requirements(fields):
    for requirement in filter(None, fields.get("Depends", "").split(",")):
        yield [NAME.match(alternative.strip()).group() for alternative in requirement.split("|")]


def main():
    packages = read_catalogue()
    chosen, waiting = set(), [root for root in ROOTS if root in packages]
    while waiting:
        name = waiting.pop()
        if name in chosen:
            continue
        chosen.add(name)
        for alternatives in requirements(packages[name]):
            waiting += [found for found in alternatives if found in packages][:1]
    for name in sorted(chosen):
        for field in FIELDS:
            if field in packages[name]:
                print(f"{field}: {packages[name][field]}")
        print()
    print(f"{len(chosen)} packages", file=sys.stderr)


if __name__ == "__main__":
    main()
