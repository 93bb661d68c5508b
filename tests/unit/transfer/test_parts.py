"""Memory for bytes on their way, and hashing in order."""

from __future__ import annotations

import hashlib

from lakehouse_sdk.transfer.runners.parts import MIB, Buffers, OrderedHash


class TestBuffers:
    def test_it_holds_no_more_than_its_limit(self):
        freed = []
        buffers = Buffers(16 * MIB, lambda: freed.append(1))
        first, second = buffers.take(8 * MIB), buffers.take(8 * MIB)
        assert first is not None
        assert second is not None
        assert buffers.take(1) is None
        buffers.give(second)
        assert freed == [1]
        assert buffers.take(8 * MIB) is second

    def test_what_is_larger_than_the_limit_has_all_of_it(self):
        buffers = Buffers(MIB, lambda: None)
        small = buffers.take(1)
        assert small is not None
        assert buffers.take(5 * MIB) is None
        buffers.give(small)
        large = buffers.take(5 * MIB)
        assert large is not None
        assert len(large) >= 5 * MIB
        assert buffers.take(1) is None

    def test_idle_memory_of_another_size_makes_room(self):
        buffers = Buffers(8 * MIB, lambda: None)
        for size_bytes in (3 * MIB, 4 * MIB, 6 * MIB, 100_000, 1):
            block = buffers.take(size_bytes)
            assert block is not None
            assert len(block) >= size_bytes
            block[-1] = 1
            buffers.give(block)
            assert sum(len(one) for blocks in buffers._idle.values() for one in blocks) <= 8 * MIB


class TestOrderedHash:
    def test_parts_in_any_order(self):
        digest, hashed = OrderedHash(), []
        for index in (2, 0, 1):
            digest.add(index, memoryview(bytes([index])), lambda index=index: hashed.append(index))
        assert (hashed, digest.hexdigest()) == ([0, 1, 2], hashlib.sha256(b"\0\1\2").hexdigest())

    def test_abandoned_parts_are_let_go(self):
        digest, hashed = OrderedHash(), []
        for index in (1, 2):
            digest.add(index, memoryview(b"x"), lambda index=index: hashed.append(index))
        assert hashed == []
        digest.abandon()
        assert hashed == [1, 2]
