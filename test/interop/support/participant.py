"""A process that shares a store by Python's dogpile.cache. It does what it is told by lines of JSON, and says by lines of JSON what happens.

in   {"id": 1, "run": "region.get(key)", "given": {"key": "k"}}   an expression with these names; or statements, whose names stay
     {"id": 1, "finish": 5} or {"id": 1, "fail": "reason"}        what the creator of that call returns or raises
out  {"here": 4711}                                               its pid: it is ready
     {"id": 1, "waits": true}                                     the call has found nothing and asks for the lock
     {"id": 1, "creates": []}                                     its creator was called with these arguments
     {"id": 1, "answer": 5} or {"id": 1, "raises": "ValueError: reason"}
"""

import json
import logging
import os
import queue
import sys
import threading

from dogpile.cache import make_region
from dogpile.cache.api import NO_VALUE
from dogpile.cache.util import function_key_generator, function_multi_key_generator, length_conditional_mangler, sha1_mangle_key

options = json.loads(sys.argv[1])
current = threading.local()
doors = {}
mouth = threading.Lock()


def say(**message):
    with mouth:
        print(json.dumps(message, default=lambda value: "NO_VALUE" if value is NO_VALUE else repr(value)), flush=True)


def create(*arguments):
    """A creator: returns when it is told what."""
    say(id=current.id, creates=arguments)
    told = doors[current.id].get()
    if "fail" in told:
        raise RuntimeError(told["fail"])
    return told["finish"]


def age(key, seconds):
    """Makes an entry older than it is, whoever wrote it."""
    name = region.key_mangler(key) if region.key_mangler else key
    metadata, _, payload = region.backend.get_serialized(name).partition(b"|")
    metadata = json.loads(metadata)
    metadata["ct"] -= seconds
    # As we do: a pipe in a tag is no end of the metadata.
    region.backend.set_serialized(name, json.dumps(metadata).replace("|", "\\u007c").encode() + b"|" + payload)


class Ear(logging.Handler):
    def emit(self, record):
        if record.getMessage() == "no value, waiting for create lock":
            say(id=current.id, waits=True)


def run(id, source, given):
    current.id = id
    try:
        try:
            code = compile(source, "told", "eval")
        except SyntaxError:
            exec(source, world)
            answer = None
        else:
            answer = eval(code, {**world, **given})
    except BaseException as error:
        say(id=id, raises=f"{type(error).__name__}: {error}")
    else:
        say(id=id, answer=answer)


def make():
    as_json = {"serializer": lambda value: json.dumps(value).encode(), "deserializer": json.loads}
    region = make_region(
        key_mangler=sha1_mangle_key if options["mangler"] == "sha1" else None,
        **(as_json if options["serializer"] == "json" else {}),
    )
    return region.configure(options["backend"], expiration_time=options["expiration"], arguments=options["arguments"])


logging.getLogger("dogpile.lock").setLevel(logging.DEBUG)
logging.getLogger("dogpile.lock").addHandler(Ear())
region = make()
world = {
    "__name__": options["module"],
    "age": age,
    "create": create,
    "function_key_generator": function_key_generator,
    "function_multi_key_generator": function_multi_key_generator,
    "length_conditional_mangler": length_conditional_mangler,
    "region": region,
    "sha1_mangle_key": sha1_mangle_key,
}
say(here=os.getpid())
for line in sys.stdin:
    told = json.loads(line)
    if "run" in told:
        doors[told["id"]] = queue.Queue()
        threading.Thread(target=run, args=(told["id"], told["run"], told["given"]), daemon=True).start()
    else:
        doors[told["id"]].put(told)
# Whoever started it is gone; creators may still wait.
os._exit(0)
