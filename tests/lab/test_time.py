"""The lab's clock: it runs, jumps and stands still, and does what is due in order."""

from __future__ import annotations

from drctl.lab.clock import LabClock


def test_what_falls_due_in_a_jump_is_done_in_its_order_before_the_jump_returns() -> None:
    clock, done = LabClock(), []
    clock.hold()
    clock.after(20, lambda: done.append("second"))
    clock.after(10, lambda: done.append("first"))
    clock.after(40, lambda: done.append("not yet"))
    clock.skip(30)
    assert done == ["first", "second"]


def test_time_stands_still_but_for_jumps_until_it_is_released() -> None:
    clock = LabClock()
    clock.set_speed(1e9)
    clock.hold()
    before = clock.now()
    clock.skip(5)
    assert clock.now() == before + 5
    clock.release()
    assert clock.now() > before + 5
