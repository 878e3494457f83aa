"""Requests made up from the server's own description: none breaks it, each is answered as described."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.children import child
from tests.support.serving import data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures

ROOT = Path(__file__).parents[3]
SCHEMATHESIS = shutil.which("schemathesis", path=str(Path(sys.executable).parent))


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.skipif(SCHEMATHESIS is None, reason="needs schemathesis: pip install -e '.[test]'")
async def test_no_request_made_up_from_the_description_breaks_the_server(data_dir):
    async with served(data_dir) as it:
        command = child(
            SCHEMATHESIS,
            "run",
            f"{it.url}/openapi.json",
            # What has no end, and pages.
            "--exclude-path-regex=(events|/v1/ws|/docs|/v1/sessions/.*/(stream|lite))",
            "--checks=not_a_server_error,status_code_conformance,response_schema_conformance",
            "--max-examples=5",
            "--phases=examples,coverage,fuzzing",
            "--seed=1",
            "--no-color",
            cwd=data_dir,  # it leaves its notes there
            env=os.environ | {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.support.made_up_bodies"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with command as process:
            told, _ = await asyncio.wait_for(process.communicate(), 170)
        assert process.returncode == 0, told.decode()[-4000:]
