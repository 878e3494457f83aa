import pytest
from pydantic import ValidationError

from server.settings import ServerSettings


@pytest.mark.parametrize(
    ("cluster", "told"),
    [
        ("ray://10.0.0.1:10001", "streams no results"),
        ("10.0.0.1", "like 10.0.0.1:6379"),
        ("10.0.0.1:0", "like 10.0.0.1:6379"),
        (":6379", "like 10.0.0.1:6379"),
        ("auto", "like 10.0.0.1:6379"),
    ],
)
def test_what_is_no_cluster_is_refused_with_what_one_is(cluster: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ServerSettings(cluster=cluster)


def test_a_server_has_no_cluster_unless_it_is_given_one() -> None:
    assert not ServerSettings().on_cluster
    assert ServerSettings(cluster="head.internal:6379").on_cluster
