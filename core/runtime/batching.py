"""Join the calls of several jobs on one engine: what they ask for at about the same time is done in one go.

For a network, sixteen pictures in one call cost half of sixteen calls. Jobs that run side by side fall out
of step, though: while one's call runs the other's waits, and so on in turn. So a free engine waits for the
other members, up to a bound.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from core.errors import Error
from core.runtime.worker import Worker

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Member:
    """Somebody who asks, one thing at a time. prompt: asked again within the bound last time."""

    def __init__(self) -> None:
        self.answered_s: float | None = None
        self.prompt = True


@dataclass(frozen=True, slots=True)
class _Question(Generic[Item, Result]):
    item: Item
    member: _Member
    answer: asyncio.Future[Result]


class Batcher(Generic[Item, Result]):
    """One function on one worker's thread, called with as many items at once as are waiting.

    run: takes items, gives as many results in their order, each depending on its own item alone.
    size: how much an item counts for; up to `limit` of that is put in one call, or a single item.
    bound_s: how long a free engine may hold this item back for members that have not asked yet. It waits only
        for those that were that quick to ask again the last time, so whoever is slow holds nobody back.
    Items go in the order they came and a member has one at a time, so nobody is served twice before everybody
    who waits was served once.
    """

    def __init__(
        self,
        worker: Worker,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        size: Callable[[Item], int],
        limit: int,
        bound_s: Callable[[Item], float],
    ) -> None:
        self._worker, self._run, self._size = worker, run, size
        self._limit, self._bound_s = limit, bound_s
        self._waiting: deque[_Question[Item, Result]] = deque()
        self._expected: set[_Member] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self.members = 0
        """How many ask here at the moment."""

    @contextmanager
    def member(self) -> Iterator[Callable[[Item], Awaitable[Result]]]:
        """Gives `ask`: `await ask(item)` is `run([item])[0]`, done together with others' items.

        `ask` raises what `run` raises for this item alone: a batch that fails is done again one by one.
        """
        member = _Member()

        async def ask(item: Item) -> Result:
            loop = asyncio.get_running_loop()
            if member.answered_s is not None:
                member.prompt = loop.time() - member.answered_s <= self._bound_s(item)
            question: _Question[Item, Result] = _Question(item, member, loop.create_future())
            self._expected.discard(member)
            self._waiting.append(question)
            self._consider()
            return await question.answer

        self.members += 1
        try:
            yield ask
        finally:
            self.members -= 1
            self._expected.discard(member)
            self._consider()

    def _consider(self) -> None:
        """Start if the engine is free and nobody is worth waiting for."""
        if self._busy or not self._waiting:
            return
        if not self._expected:
            self._start()
            return
        loop = asyncio.get_running_loop()
        end_s = loop.time() + min(self._bound_s(question.item) for question in self._waiting)
        if self._timer is not None and self._timer.when() <= end_s:
            return
        self._stop_timer()
        self._timer = loop.call_at(end_s, self._in_vain)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _in_vain(self) -> None:
        for member in self._expected:
            member.prompt = False
        self._expected.clear()
        self._start()

    def _start(self) -> None:
        self._stop_timer()
        batch: list[_Question[Item, Result]] = []
        count = 0
        while self._waiting:
            question = self._waiting[0]
            if batch and count + self._size(question.item) > self._limit:
                break
            self._waiting.popleft()
            if not question.answer.cancelled():  # its job is gone
                batch.append(question)
                count += self._size(question.item)
        if batch:
            self._busy = True
            call = self._worker.call(self._outcomes, [question.item for question in batch])
            asyncio.ensure_future(call).add_done_callback(lambda made: self._finish(batch, made))

    def _outcomes(self, items: Sequence[Item]) -> Sequence[Result | Exception]:
        """On the worker's thread: what became of each item."""
        try:
            made = self._run(items)
            if len(made) != len(items):
                raise Error(f"an engine was asked for {len(items)} results and gave {len(made)}")
            return made
        except Exception as error:  # noqa: BLE001  # raised where it was asked for
            return [error] if len(items) == 1 else [self._outcomes([item])[0] for item in items]

    def _finish(
        self, batch: Sequence[_Question[Item, Result]], made: asyncio.Future[Sequence[Result | Exception]]
    ) -> None:
        self._busy = False
        now_s = asyncio.get_running_loop().time()
        try:
            for k, question in enumerate(batch):
                answer = question.answer
                if answer.cancelled():
                    continue
                if made.cancelled():
                    answer.cancel()
                    continue
                question.member.answered_s = now_s
                if question.member.prompt:
                    self._expected.add(question.member)
                outcome = made.exception() or made.result()[k]
                if isinstance(outcome, BaseException):
                    answer.set_exception(outcome)
                else:
                    answer.set_result(outcome)
        finally:  # whatever became of these, others wait
            self._consider()
