"""Fan-out."""

from __future__ import annotations

import asyncio

from tabard_sidecar.state.model import Child

from tests.support.state import LATER, NOW, chain, fresh, new_task, opened


class ChildrenContract:
    async def test_the_twenty_first_child_of_twenty_is_refused(self, store):
        parent = fresh("parent")
        for number in range(20):
            assert (
                await store.register_children([Child(parent, f"c{number}", 20)], now=NOW, expires_at=LATER)
                is None
            )
        one_too_many = Child(parent, "c20", 20)
        assert await store.register_children([one_too_many], now=NOW, expires_at=LATER) == one_too_many
        assert await store.register_children([Child(parent, "c7", 20)], now=NOW, expires_at=LATER) is None
        assert (await store.look_up(chain(parent))).children == 20

    async def test_all_or_none(self, store):
        """If one child exceeds its limit, none of the request is counted."""
        first, second = fresh("p"), fresh("p")
        await store.register_children([Child(second, "a", 1)], now=NOW, expires_at=LATER)
        refused = await store.register_children(
            [Child(first, "x", 5), Child(second, "b", 1)], now=NOW, expires_at=LATER
        )
        assert refused == Child(second, "b", 1)
        assert (await store.look_up(chain(first))).children == 0
        assert (await store.look_up(chain(second))).children == 1

    async def test_children_of_one_request_count_against_each_other(self, store):
        parent = fresh("p")
        twins = [Child(parent, "a", 1), Child(parent, "b", 1)]
        assert await store.register_children(twins, now=NOW, expires_at=LATER) == twins[1]
        assert await store.register_children([twins[0], twins[0]], now=NOW, expires_at=LATER) is None
        assert (await store.look_up(chain(parent))).children == 1

    async def test_no_limit_and_none_allowed(self, store):
        parent = fresh("p")
        many = [Child(parent, f"c{number}", None) for number in range(30)]
        assert await store.register_children(many, now=NOW, expires_at=LATER) is None
        other = Child(fresh("p"), "c", 0)
        assert await store.register_children([other], now=NOW, expires_at=LATER) == other

    async def test_the_smaller_limit_of_a_later_child_counts(self, store):
        parent = fresh("p")
        for number in range(3):
            await store.register_children([Child(parent, f"c{number}", 9)], now=NOW, expires_at=LATER)
        narrow = Child(parent, "d", 3)
        assert await store.register_children([narrow], now=NOW, expires_at=LATER) == narrow
        assert await store.register_children([Child(parent, "c1", 3)], now=NOW, expires_at=LATER) is None

    async def test_sidecars_together_never_pass_the_limit(self, new_store):
        """Forty children race for twenty places on two sidecars, twice each: twenty get one, whichever side asks."""
        parent = fresh("p")
        async with opened(new_store) as one, opened(new_store) as other:

            async def ask(store: object, number: int) -> Child | None:
                return await store.register_children(  # type: ignore[attr-defined]
                    [Child(parent, f"c{number}", 20)], now=NOW, expires_at=LATER
                )

            answers = await asyncio.gather(
                *(ask(store, number) for number in range(40) for store in (one, other))
            )
            for left, right in zip(answers[::2], answers[1::2], strict=True):
                assert left == right, "both sidecars check a child alike"
            assert answers.count(None) == 40
            assert (await one.look_up(chain(parent))).children == 20

    async def test_the_tree_names_every_step(self, store):
        opened_task = await new_task(store)
        root = opened_task.root_id
        steps = [
            Child(root, f"{root}a", 5, root, "spiffe://z/a", ""),
            Child(f"{root}a", f"{root}b", 5, root, "spiffe://z/a", "sub é"),
        ]
        await store.register_children(steps, now=NOW, expires_at=LATER)
        tree = await store.tree(opened_task.task_id)
        assert tree.task == opened_task
        assert {(c.parent_id, c.child_id, c.root_id, c.holder, c.sub_agent) for c in tree.children} == {
            (c.parent_id, c.child_id, c.root_id, c.holder, c.sub_agent) for c in steps
        }
