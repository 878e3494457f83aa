"""The figures of `/metrics`, in Prometheus' text format."""

import json
import platform
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

import core
from core.progress import Progress
from server.request_figures import RequestFigures
from server.schemas.live import SessionInfo
from server.schemas.requests import Status
from server.store.rows import Event

CONTENT_TYPE = CONTENT_TYPE_LATEST

_BUCKETS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)


_WAITS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600)
_ENDS = frozenset({"job.completed", "job.failed", "job.cancelled"})

Publish = Callable[[Sequence[Event]], None]


class Figures:
    """Counts of one server, brought up to date when they are asked for."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._progress: dict[str, Progress] = {}
        self._counted: dict[str, defaultdict[str, float]] = {}
        self._jobs = Gauge("lipstream_jobs", "Jobs on record", ["status"], registry=self._registry)
        self._uploads = Gauge(
            "lipstream_uploads", "Jobs to be uploaded, or uploaded", ["state"], registry=self._registry
        )
        self._queue = Gauge(
            "lipstream_queue_depth",
            "Items waiting after a stage, all jobs",
            ["stage"],
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        Info("lipstream_build", "What runs here", registry=self._registry).info(
            {"version": core.__version__, "python": platform.python_version()}
        )
        self.requests = RequestFigures(self._registry)
        self._queued: dict[str, float] = {}
        self._waited = Histogram(
            "lipstream_queue_wait_seconds",
            "How long jobs waited for their start",
            buckets=_WAITS,
            registry=self._registry,
        )
        self._ended = Counter(
            "lipstream_jobs_ended",
            "Jobs that ended while this server ran",
            ["status"],
            registry=self._registry,
        )
        self._connections = Gauge("lipstream_connections", "Connections of clients", registry=self._registry)
        self._viewers = Gauge("lipstream_viewers", "Clients that view a clip", registry=self._registry)
        self._lines = Gauge("lipstream_lines", "Open sockets and event streams", registry=self._registry)
        self._busy = Counter(
            "lipstream_stage_busy_seconds", "Time stages worked", ["stage"], registry=self._registry
        )
        self._frames = Counter("lipstream_frames", "Video frames made", registry=self._registry)
        self._faceless = Counter(
            "lipstream_frames_without_face", "Frames left as they were", registry=self._registry
        )
        self._retries = Counter(
            "lipstream_speech_retries",
            "Sentences a voice tried again, by why",
            ["why"],
            registry=self._registry,
        )
        self._node_slots = Gauge(
            "lipstream_node_slots", "Jobs a node may do at once", ["node"], registry=self._registry
        )
        self._node_jobs = Gauge("lipstream_node_jobs", "Jobs a node does", ["node"], registry=self._registry)
        self._node_frames = Counter(
            "lipstream_node_frames", "Video frames made by a node", ["node"], registry=self._registry
        )
        self._first = Histogram(
            "lipstream_first_frame_seconds",
            "From a job's start to its first frame",
            buckets=_BUCKETS,
            registry=self._registry,
        )

        self._sessions = Gauge(
            "lipstream_sessions", "Live sessions that run", ["status"], registry=self._registry
        )
        self._pushes = Gauge(
            "lipstream_session_pushes",
            "Servers that live sessions are sent to",
            ["state"],
            registry=self._registry,
        )
        self._behind = Gauge(
            "lipstream_session_behind_seconds",
            "How late the latest live session is, as the machine is too slow",
            registry=self._registry,
        )
        self._heard = Histogram(
            "lipstream_session_first_frame_seconds",
            "From a text or sound to the first picture in which it is heard",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._stopped = Histogram(
            "lipstream_session_interrupt_seconds",
            "From an interrupt to the last picture in which what it stopped is heard",
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def jobs(self, publish: Publish) -> Publish:
        """`publish`, which also counts how long jobs wait, if anybody waits for them, and how they end."""

        def published(events: Sequence[Event]) -> None:
            publish(events)
            for event in events:
                if event.type == "job.queued" and not json.loads(event.data).get("patient"):
                    self._queued[event.job_id] = event.ts
                elif event.type == "job.started" and event.job_id in self._queued:
                    self._waited.observe(max(0.0, event.ts - self._queued.pop(event.job_id)))
                elif event.type in _ENDS:
                    self._queued.pop(event.job_id, None)
                    self._ended.labels(event.type.removeprefix("job.")).inc()

        return published

    def heard(self, after_s: float) -> None:
        """Something said in a session is heard, so long after it came."""
        self._heard.observe(after_s)

    def stopped(self, after_s: float) -> None:
        """What an interrupt stopped is not heard any more, so long after the interrupt."""
        self._stopped.observe(after_s)

    @asynccontextmanager
    async def running(self, job_id: str, progress: Progress) -> AsyncGenerator[None, None]:
        """Look at this render as long as the block runs."""
        self._progress[job_id] = progress
        self._counted[job_id] = defaultdict(float)
        try:
            yield
        finally:
            self._add(job_id)
            del self._progress[job_id], self._counted[job_id]
            if progress.first_frame_s is not None:
                self._first.observe(progress.first_frame_s)

    def jobs_on(self, node: str) -> list[str]:
        """The jobs that a node of a cluster does."""
        return [job_id for job_id, progress in self._progress.items() if progress.node == node]

    def text(
        self,
        jobs: Mapping[str, int],
        uploads: Mapping[str, int],
        sessions: Sequence[SessionInfo],
        viewers: int,
        lines: int,
        connections: int,
        nodes: Mapping[str, int],
    ) -> bytes:
        """Everything, as Prometheus reads it. nodes: of a cluster, with the jobs that they may do at once."""
        self._node_slots.clear()
        self._node_jobs.clear()
        for node, slots in nodes.items():
            self._node_slots.labels(node).set(slots)
            self._node_jobs.labels(node).set(len(self.jobs_on(node)))
        for state in ("uploading", "published", "failed"):
            self._uploads.labels(state).set(uploads.get(state, 0))
        for status in (*get_args(Status), "backlog"):
            self._jobs.labels(status).set(jobs.get(status, 0))
        for status in ("starting", "idle", "speaking"):
            self._sessions.labels(status).set(sum(one.status == status for one in sessions))
        pushes = [push for one in sessions for push in one.pushes]
        for state in ("connecting", "live", "lost"):
            self._pushes.labels(state).set(sum(push.state == state for push in pushes))
        self._behind.set(max((one.behind_s for one in sessions), default=0.0))
        self._viewers.set(viewers)
        self._lines.set(lines)
        self._connections.set(connections)
        self._queue.clear()
        for job_id, progress in self._progress.items():
            self._add(job_id)
            for name, meter in progress.meters.items():
                self._queue.labels(name).inc(meter.queued)
        return generate_latest(self._registry)

    def _add(self, job_id: str) -> None:
        """Add what a render has done since the last time."""
        progress, counted = self._progress[job_id], self._counted[job_id]
        for name, meter in progress.meters.items():
            self._busy.labels(name).inc(max(0.0, meter.busy_s - counted[name]))
            counted[name] = max(counted[name], meter.busy_s)
        if progress.node:
            self._node_frames.labels(progress.node).inc(progress.frames - counted[" frames"])
        for why, times in progress.retries.items():
            self._retries.labels(why).inc(times - counted[f" retries {why}"])
            counted[f" retries {why}"] = times
        for counter, name, now in (
            (self._frames, " frames", progress.frames),
            (self._faceless, " faceless", progress.frames_without_face),
        ):
            counter.inc(now - counted[name])
            counted[name] = now
