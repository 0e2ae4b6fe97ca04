"""What lives on a cluster: a pool of actors that look at files, and a desk between them and the process that writes."""

import asyncio
import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, final

from framevote.archive.entries import Entry, Settings
from framevote.archive.store import Seen
from framevote.archive.workers import Workers
from framevote.archive.working import Task
from framevote.errors import Error

SHARE = 0.9
"""Of a core that Ray counts for an actor, though it uses a whole one: where actors had all of them, what else Ray Data does stood still."""

_TRIES = 3
"""How often a file may lose its actor or its machine."""

_AHEAD = 2
"""Files that lie ready at an actor, so that it never waits for the next."""

_BUNDLE, _BYTES, _SHARES = 8, 16e6, 8
"""Short files go together, as many as make up so many bytes, and at most so many; but each actor shall get so many bundles. A bundle
takes Ray 15 ms of processors, a file in it 5."""

_ROOM = 64
"""Results that lie at the desk; while nobody takes them, Ray Data holds back."""

_MOMENT = 0.5


class Order(NamedTuple):
    """What is to be done, and where; see `cluster.Cluster`."""

    settings: Settings
    on: str
    workers: int | None
    longest: float | None
    memory: float | None
    job: str


class Question(NamedTuple):
    """Is the content of this file done already, or another file's to bring?"""

    path: str
    content: str


class Fault(NamedTuple):
    """An error that would meet every other file as well."""

    error: Error


class Ended(NamedTuple):
    """Nothing more will come; `why` says what went wrong in Ray, where something did."""

    why: str = ""


Told = Question | Fault | Ended | Entry | Seen


@final
class Desk:
    """An asynchronous actor: here what actors ask and what they found waits for whoever writes, who may be a client far away."""

    def __init__(self) -> None:
        self._told: asyncio.Queue[Told] = asyncio.Queue(_ROOM)
        self._open: dict[Question, asyncio.Future[bool]] = {}
        self._begun: Counter[str] = Counter()

    async def perform(self, order: Order, tasks: Sequence[Task], workers: int, desk: Any) -> None:
        """Have the tasks done; what comes of them is heard at the desk, and `Ended` at last."""
        loop = asyncio.get_running_loop()

        def put(told: Told) -> None:
            asyncio.run_coroutine_threadsafe(self._told.put(told), loop).result()

        why = ""
        try:
            await asyncio.to_thread(_perform, order, tasks, workers, desk, put)
        except Exception as error:  # whatever it is, the rest is begun anew, or given up
            why = f"{type(error).__name__}: {str(error).strip().splitlines()[-1] if str(error).strip() else ''}"
        await self._told.put(Ended(why))

    async def heard(self) -> list[Told]:
        """Return what has come; wait a moment for the first."""
        try:
            told = [await asyncio.wait_for(self._told.get(), _MOMENT)]
        except TimeoutError:
            return []
        while not self._told.empty():
            told.append(self._told.get_nowait())
        return told

    async def begin(self, name: str, before: str = "") -> int:
        """Return how often this has been begun, this time included; what was before it, in the same hand, is through."""
        self._begun.pop(before, None)
        self._begun[name] += 1
        return self._begun[name]

    async def known(self, question: Question) -> bool:
        """Pass a question on, and return the answer."""
        if question not in self._open:
            self._open[question] = asyncio.get_running_loop().create_future()
            await self._told.put(question)
        return await self._open[question]

    async def answer(self, question: Question, known: bool) -> None:
        """Take the answer to a question."""
        if (asked := self._open.pop(question, None)) and not asked.done():
            asked.set_result(known)


@final
class Looker:
    """An actor of the pool: it has one worker process, which is replaced where a file kills it."""

    def __init__(self, order: Order, desk: Any) -> None:
        self._order, self._desk = order, desk
        # Alone on its machine it would take all memory: its share is that of one among as many as there are cores.
        memory = order.memory or Workers(order.settings, None).memory
        self._workers = Workers(order.settings, 1, order.longest, memory, order.job)

    def __call__(self, rows: Any) -> Iterator[Any]:
        """Yield what came of each row's bundle of tasks, as tables of one row; what is in the columns is pickled."""
        import pyarrow  # noqa: PLC0415 - heavy, and of an extra

        for row in rows["tasks"].to_pylist():
            results = pickle.dumps(list(self._bundle(pickle.loads(row))))
            yield pyarrow.table({"results": pyarrow.array([results], pyarrow.large_binary())})

    def _bundle(self, tasks: Sequence[Task]) -> Iterator[Entry | Seen | Fault]:
        """Yield what came of each; where the bundle was lost before, look out for the one that it was lost with."""
        lost, before = self._ask("begin", f"bundle {tasks[0].source.path}") > 1, ""
        for task in tasks:
            if lost and self._ask("begin", task.source.path, before) >= _TRIES:
                sentence = (
                    f"{task.source.path} lost what looked at it {_TRIES} times: an actor of Ray, or its machine. Try it again with --retry."
                )
                yield Entry(task.source, task.content, self._order.settings, "failed", sentence, finished=time.time())
            else:
                yield self._looked_at(task)
            before = task.source.path

    def _looked_at(self, task: Task) -> Entry | Seen | Fault:
        try:
            for results in self._workers.run([task], lambda content: bool(self._ask("known", Question(task.source.path, content)))):
                for result in results:
                    return result
        except Error as error:
            return Fault(error)
        raise RuntimeError(f"{task.source.path} came to nothing")

    def _ask(self, what: str, *arguments: object) -> Any:
        import ray  # noqa: PLC0415 - heavy, and of an extra

        return ray.get(getattr(self._desk, what).remote(*arguments))


def _perform(order: Order, tasks: Sequence[Task], workers: int, desk: Any, put: Callable[[Told], None]) -> None:
    """Let Ray Data bring each task to an actor of the pool, and each result back."""
    from ray.data import ActorPoolStrategy, DataContext, from_items  # noqa: PLC0415 - heavy, and of an extra

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # what one of them lacks is begun anew; the others go on
    bundles = list(_bundles(tasks, max(len(tasks) // (_SHARES * workers), 1)))
    looked = from_items([{"tasks": pickle.dumps(bundle)} for bundle in bundles], override_num_blocks=len(bundles)).map_batches(
        Looker,
        fn_constructor_args=(order, desk),
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=SHARE,
        compute=ActorPoolStrategy(size=min(workers, len(bundles)), max_tasks_in_flight_per_actor=_AHEAD),
    )
    table: Any
    for table in looked.iter_batches(batch_size=None, batch_format="pyarrow"):
        for results in table["results"].to_pylist():
            for result in pickle.loads(results):
                put(result)


def _bundles(tasks: Sequence[Task], most: int) -> Iterator[list[Task]]:
    """Yield the tasks in their order, short ones together."""
    bundle: list[Task] = []
    for task in tasks:
        if bundle and (len(bundle) >= min(most, _BUNDLE) or sum(each.source.size for each in [*bundle, task]) > _BYTES):
            yield bundle
            bundle = []
        bundle.append(task)
    if bundle:
        yield bundle
