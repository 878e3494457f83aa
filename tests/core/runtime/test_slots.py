import asyncio

from core.runtime.slots import Slots


def test_as_many_are_taken_as_there_may_be_whatever_becomes_of_the_limit():
    async def main():
        slots, taken, left = Slots(2), [], []

        async def one(number):
            await slots.acquire()
            taken.append(number)
            while number not in left:  # noqa: ASYNC110  # bounded by the test's own limit
                await asyncio.sleep(0)
            slots.release()

        async def settled():
            for _ in range(20):
                await asyncio.sleep(0)
            return list(taken)

        tasks = [asyncio.create_task(one(n)) for n in range(6)]
        assert await settled() == [0, 1]
        slots.resize(4)
        assert await settled() == [0, 1, 2, 3]
        slots.resize(1)  # nobody is thrown out, and nobody comes in until there is room
        left.extend((0, 1, 2))
        assert await settled() == [0, 1, 2, 3]
        left.append(3)
        assert await settled() == [0, 1, 2, 3, 4]
        slots.resize(0)
        left.append(4)
        assert await settled() == [0, 1, 2, 3, 4]
        slots.close()  # whoever waits does not wait for ever
        assert await settled() == [0, 1, 2, 3, 4, 5]
        left.append(5)
        await asyncio.gather(*tasks)

    asyncio.run(asyncio.wait_for(main(), 10))
