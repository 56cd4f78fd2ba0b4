"""The memory of small segments is bounded and forgets the longest unused."""

from bijlighar.records.remembered import Remembered


def test_the_longest_unused_is_forgotten_first() -> None:
    read: list[str] = []

    def reading(name: str) -> str:
        read.append(name)
        return name * 4

    memory = Remembered[str](12, len)
    for name in ("a", "b", "c", "a", "d", "a", "b"):
        assert memory.get(name, lambda name=name: reading(name)) == name * 4
    assert read == ["a", "b", "c", "d", "b"]


def test_what_is_larger_than_the_memory_is_read_each_time() -> None:
    read: list[int] = []
    memory = Remembered[str](3, len)
    for _ in range(2):
        assert memory.get("a", lambda: read.append(1) or "long") == "long"
    assert len(read) == 2
