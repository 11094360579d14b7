"""Debian's python3-redis against a running server: redis_py.py PORT. Exits with 1 and a traceback if a reply is not Redis's."""

import json
import sys

import redis

PORT = int(sys.argv[1])


def rejected(action, text):
    try:
        action()
    except redis.ResponseError as error:
        assert text in str(error), error
        return
    raise AssertionError(f"not rejected: {text}")


def strings(r):
    assert r.set("a", "1") is True
    assert r.get("a") == "1"
    assert r.get("none") is None
    assert r.set("a", "2", nx=True) is None
    assert r.set("a", "2", get=True) == "1"
    assert r.set("a", "3", px=100_000) is True
    assert 0 < r.pttl("a") <= 100_000
    assert r.getex("a", persist=True) == "3"
    assert r.ttl("a") == -1
    assert r.mset({"x": "1", "y": "2"}) is True
    assert r.mget("x", "none", "y") == ["1", None, "2"]
    assert r.incr("x", 4) == 5
    assert r.incrbyfloat("x", 0.5) == 5.5
    assert r.append("y", "z") == 2
    assert r.getrange("y", 0, 0) == "2"
    assert r.setnx("y", "1") is False
    assert r.expire("y", 100, nx=True) is True
    assert r.expireat("y", 7_258_118_400) is True
    assert r.execute_command("EXPIRETIME", "y") == 7_258_118_400
    assert r.getdel("y") == "2z"
    rejected(lambda: r.incr("a" if r.set("a", "text") else ""), "value is not an integer or out of range")
    assert r.object("encoding", "a") == "embstr"


def transactions(r):
    with r.pipeline() as pipe:
        assert pipe.set("m", 1).incr("m").get("m").execute() == [True, 2, "2"]
    with r.pipeline() as pipe:
        pipe.watch("m")
        r.set("m", 5)
        pipe.multi()
        pipe.incr("m")
        try:
            pipe.execute()
            raise AssertionError("the watched key changed")
        except redis.WatchError:
            pass

    def raise_it(pipe):
        pipe.multi()
        pipe.incr("m")

    assert r.transaction(raise_it, "m") == [6]


def keys(r):
    r.mset({f"scan:{i}": "x" for i in range(100)})
    assert set(r.scan_iter(match="scan:*", count=10)) == {f"scan:{i}" for i in range(100)}
    assert len(r.keys("scan:1*")) == 11
    assert r.delete(*[f"scan:{i}" for i in range(100)]) == 100
    assert r.rename("m", "moved") is True
    assert r.copy("moved", "copied") == 1
    assert r.exists("m", "moved", "copied") == 2


def rows(r):
    assert r.hgetall("pkg:curl")["version"] == "8.1"
    assert r.hmget("pkg:curl", "name", "note") == ["curl", None]
    assert r.hset("pkg:curl", mapping={"note": "by python"}) == 0
    assert r.hget("pkg:curl", "note") == "by python"
    assert r.hdel("pkg:curl", "note") == 1
    assert dict(r.hscan_iter("pkg:curl"))["size"] == "300"
    assert json.loads(r.get("pkg:wget"))["name"] == "wget"
    assert r.incr("views:curl") == 8
    assert r.decr("views:curl") == 7
    rejected(lambda: r.hdel("pkg:curl", "version"), "REFUSED")


def connection(r):
    assert r.ping() is True
    assert r.echo("hello") == "hello"
    assert r.client_setname("python") is True
    assert r.client_getname() == "python"
    assert "redis_version" in r.info()
    assert r.config_get("maxmemory")["maxmemory"].isdigit()
    assert r.dbsize() > 0
    assert r.flushall() is True
    assert r.dbsize() == 0


client = redis.Redis(port=PORT, decode_responses=True, client_name="test", single_connection_client=True)
client.flushall()
for part in (strings, transactions, keys, rows, connection):
    part(client)
with client.pipeline(transaction=False) as pipeline:
    for number in range(1000):
        pipeline.set(f"p{number}", number).get(f"p{number}")
    assert pipeline.execute()[1::2] == [str(number) for number in range(1000)]
print("passed")
