"""What tests share: drawn people, fake engines and servers, and where things lie."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The repository."""

FIXTURES = ROOT / "tests" / "fixtures"
